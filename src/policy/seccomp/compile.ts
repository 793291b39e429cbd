import { AppError } from '../../contract/errors.ts'
import { ABSENT_CALLS, seccompProfile, type SeccompProfileName } from './profiles.ts'
import { assemble, MAX_INSTRUCTIONS } from './program.ts'
import type { CallRule } from './rule.ts'
import { parseSeccompFile } from './seccomp-file.ts'
import { type SeccompArch, syscallTable } from './syscall-table.ts'
import { ALLOW, ENOSYS, EPERM } from './verdict.ts'

export interface CompileOptions {
  /**
   * True for a sandbox that has a network: gives `restrictive` its internet sockets. The other profiles always have them.
   * @default false
   */
  readonly inet?: boolean
}

/**
 * The seccomp program of a built-in profile: an array of `struct sock_filter`, ready for bubblewrap's `--seccomp FD`.
 *
 * What it answers: calls the profile lists are allowed; other calls we know fail with EPERM (clone3 and, where not
 * listed, landlock with ENOSYS); numbers we do not know fail with ENOSYS, so that programs fall back as on an older
 * kernel; calls of another architecture, 32-bit and x32 included, kill the process.
 */
export function compileSeccomp(profile: SeccompProfileName, arch: SeccompArch, options: CompileOptions = {}): Uint8Array {
  return assemble({ arch, calls: profileCalls(profile, arch, options.inet ?? false) })
}

/**
 * The program of a seccomp file (Docker and OCI JSON), as `compileSeccomp` makes it of a profile. The file can only take
 * away: a call must be allowed by the built-in profile `default` and by the file; where `default` refuses, its answer stands.
 * `path` is used in messages only. Errors: `config_invalid`, for anything in the file that is not understood.
 */
export function compileSeccompFile(text: string, path: string, arch: SeccompArch): Uint8Array {
  const file = parseSeccompFile(text, path, arch)
  const calls = profileCalls('default', arch, true)
  const narrowedBy = calls.map((_, number) => file.calls.get(number) ?? file.defaultVerdict)
  const program = assemble({ arch, calls, narrowedBy })
  const instructions = program.length / 8
  if (instructions <= MAX_INSTRUCTIONS) return program
  throw new AppError('config_invalid', `${path}: the filter has ${instructions} instructions, the kernel takes ${MAX_INSTRUCTIONS}`, {
    fix: 'Use fewer entries that compare arguments.',
  })
}

/** The rule of every number up to the highest we know. */
function profileCalls(profile: SeccompProfileName, arch: SeccompArch, inet: boolean): CallRule[] {
  const table = syscallTable(arch)
  const { allow, inspect } = seccompProfile(profile, inet)
  const calls: CallRule[] = []
  for (const number of table.values()) {
    while (calls.length < number) calls.push(ENOSYS)
    calls[number] = EPERM
  }
  for (const name in ABSENT_CALLS) setRule(calls, table.get(name), ABSENT_CALLS[name]!)
  for (let i = 0; i < allow.length; i++) setRule(calls, table.get(allow[i]!), ALLOW)
  for (const name in inspect) setRule(calls, table.get(name), inspect[name]!)
  return calls
}

function setRule(calls: CallRule[], number: number | undefined, rule: CallRule): void {
  if (number !== undefined) calls[number] = rule
}
