import { AppError } from '../../contract/errors.ts'
import { nearest } from '../../lib/nearest.ts'
import { argumentTests } from './file-arguments.ts'
import { FOREIGN_SYSCALLS } from './foreign-syscalls.ts'
import { JsonPlace } from './json-shape.ts'
import type { CallRule, Clause } from './rule.ts'
import { type SeccompArch, syscallTable, words } from './syscall-table.ts'
import { ALLOW, EPERM, errno, KILL_PROCESS, KILL_THREAD, LOG, strictness, TRAP, type Verdict } from './verdict.ts'

/**
 * A seccomp file in the format of Docker and OCI runtimes.
 *
 * Where the format leaves room we read it in one way: all `args` of an entry must match; of several entries that match one
 * call the strictest decides, whatever their order; the sandbox has no capabilities, so an entry that `includes` one is
 * left out. Actions that need a process listening (TRACE, NOTIFY) are refused.
 */
export interface SeccompFile {
  /** For calls that no entry matches. */
  readonly defaultVerdict: Verdict
  /** By system call number. */
  readonly calls: ReadonlyMap<number, CallRule>
}

/** Generous: the largest files in use are near 20 kB. */
const MAX_FILE_CHARACTERS = 1024 * 1024
const MAX_ERRNO = 4095

const ACTIONS: ReadonlyMap<string, Verdict> = new Map([
  ['SCMP_ACT_ALLOW', ALLOW],
  ['SCMP_ACT_LOG', LOG],
  ['SCMP_ACT_ERRNO', EPERM],
  ['SCMP_ACT_TRAP', TRAP],
  ['SCMP_ACT_KILL', KILL_THREAD],
  ['SCMP_ACT_KILL_THREAD', KILL_THREAD],
  ['SCMP_ACT_KILL_PROCESS', KILL_PROCESS],
])

/** How seccomp files name our machines, in `architectures` and in `includes.arches`. */
const ARCH_NAMES = { x64: ['SCMP_ARCH_X86_64', 'amd64'], arm64: ['SCMP_ARCH_AARCH64', 'arm64'] } as const

/** Asked for where it is used: loading this module costs half a millisecond, and most runs have no seccomp file. */
const os = () => process.getBuiltinModule('node:os')

/**
 * Reads a seccomp file for one machine. `path` is for messages; `kernel` is the release to compare with `minKernel`.
 * Errors: `config_invalid`, naming the place, for anything that is not understood.
 */
export function parseSeccompFile(text: string, path: string, arch: SeccompArch, kernel: () => string = () => os().release()): SeccompFile {
  const root = parseJson(text, path).fields([
    'defaultAction',
    'defaultErrnoRet',
    'defaultErrno',
    'architectures',
    'archMap',
    'flags',
    'syscalls',
  ])
  checkArchitecture(root.architectures, root.archMap, arch)
  for (const flag of root.flags.items()) if (flag.string() !== 'SECCOMP_FILTER_FLAG_TSYNC') flag.fail('this flag is not supported')
  const defaultVerdict = verdictOf(root.defaultAction, root.defaultErrnoRet, root.defaultErrno)
  const clauses = new Map<number, Clause[]>()
  const resolve = nameResolver(arch)
  for (const entry of root.syscalls.items()) {
    const { names, clause, applies } = parseEntry(entry, arch, kernel)
    if (!applies) continue
    for (const name of names) {
      const number = resolve(name, clause.verdict)
      if (number === undefined) continue
      const list = clauses.get(number)
      if (list === undefined) clauses.set(number, [clause])
      else list.push(clause)
    }
  }
  return { defaultVerdict, calls: new Map([...clauses].map(([number, list]) => [number, strictestFirst(list, defaultVerdict)])) }
}

function parseJson(text: string, path: string): JsonPlace {
  if (text.length > MAX_FILE_CHARACTERS) {
    throw new AppError('config_invalid', `${path}: a seccomp file may have ${MAX_FILE_CHARACTERS} characters, this one has ${text.length}`)
  }
  try {
    return new JsonPlace(JSON.parse(text), path)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new AppError('config_invalid', `${path}: not a JSON file: ${reason}`, { cause })
  }
}

/** A file that lists machines must list this one; a file that lists none is for all. */
function checkArchitecture(architectures: JsonPlace, archMap: JsonPlace, arch: SeccompArch): void {
  const mapped = archMap.items().map((entry) => {
    const fields = entry.fields(['architecture', 'subArchitectures'])
    fields.subArchitectures.strings()
    return fields.architecture.string()
  })
  const listed = [...architectures.strings(), ...mapped]
  const [own] = ARCH_NAMES[arch]
  if (listed.length > 0 && !listed.includes(own)) (architectures.present ? architectures : archMap).fail(`${own} is not listed`)
}

function verdictOf(action: JsonPlace, errnoRet: JsonPlace, errnoName: JsonPlace): Verdict {
  const verdict = action.oneOf(ACTIONS)
  for (const place of [errnoRet, errnoName]) {
    if (place.present && verdict !== EPERM) place.fail('goes with SCMP_ACT_ERRNO only')
  }
  if (!errnoName.present) return errnoRet.present ? errno(errnoRet.integer(MAX_ERRNO)) : verdict
  const number = errnoName.oneOf(new Map(Object.entries(os().constants.errno)))
  if (errnoRet.present && errnoRet.integer(MAX_ERRNO) !== number) errnoRet.fail(`differs from ${errnoName.string()}, which is ${number}`)
  return errno(number)
}

interface Entry {
  readonly names: readonly JsonPlace[]
  readonly clause: Clause
  readonly applies: boolean
}

function parseEntry(entry: JsonPlace, arch: SeccompArch, kernel: () => string): Entry {
  const fields = entry.fields(['names', 'name', 'action', 'errnoRet', 'errno', 'args', 'comment', 'includes', 'excludes'])
  const names = [...fields.names.items(), ...(fields.name.present ? [fields.name] : [])]
  if (names.length === 0) entry.fail('names no system call')
  const clause = { when: argumentTests(fields.args), verdict: verdictOf(fields.action, fields.errnoRet, fields.errno) }
  const included = conditions(fields.includes, arch, kernel).every((met) => met)
  const excluded = conditions(fields.excludes, arch, kernel).some((met) => met)
  return { names, clause, applies: included && !excluded }
}

/** The conditions of `includes` or `excludes` that are there, each as met or not met here. */
function conditions(filter: JsonPlace, arch: SeccompArch, kernel: () => string): boolean[] {
  if (!filter.present) return []
  const { caps, arches, minKernel } = filter.fields(['caps', 'arches', 'minKernel'])
  const met: boolean[] = []
  if (caps.strings().length > 0) met.push(false)
  if (arches.items().length > 0) met.push(arches.strings().includes(ARCH_NAMES[arch][1]))
  if (minKernel.present) met.push(kernelAtLeast(kernel, minKernel))
  return met
}

function kernelAtLeast(kernel: () => string, minKernel: JsonPlace): boolean {
  const wanted = /^(\d+)\.(\d+)$/.exec(minKernel.string()) ?? minKernel.fail('expected a version such as "4.8"')
  const [major = 0, minor = 0] = kernel()
    .split('.')
    .map((part) => Number.parseInt(part, 10))
  const [wantedMajor, wantedMinor] = [Number(wanted[1]), Number(wanted[2])]
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}

/**
 * Finds a call's number; undefined = this machine has no such call. A name nobody knows may be a call of a newer kernel, so
 * it may be allowed (it does not exist here); refusing it is an error, since a typo would leave the real one open.
 */
function nameResolver(arch: SeccompArch): (name: JsonPlace, verdict: Verdict) => number | undefined {
  const table = syscallTable(arch)
  const elsewhere = new Set([...syscallTable(arch === 'x64' ? 'arm64' : 'x64').keys(), ...words(FOREIGN_SYSCALLS)])
  return (name, verdict) => {
    const text = name.string()
    const number = table.get(text)
    if (number !== undefined || elsewhere.has(text) || verdict === ALLOW || verdict === LOG) return number
    const close = nearest(text, table.keys())
    return name.fail(`no system call has the name "${text.slice(0, 60)}"${close === undefined ? '' : `, did you mean "${close}"?`}`)
  }
}

/** One call's entries as a rule. Past the first entry without conditions nothing can be reached. */
function strictestFirst(clauses: readonly Clause[], defaultVerdict: Verdict): CallRule {
  const sorted = clauses.toSorted((a, b) => strictness(a.verdict) - strictness(b.verdict))
  const end = sorted.findIndex((clause) => clause.when.length === 0)
  const otherwise = sorted[end]?.verdict ?? defaultVerdict
  return end === 0 ? otherwise : { clauses: end === -1 ? sorted : sorted.slice(0, end), otherwise }
}
