import { PROFILE_NAMES, WORKSPACE_MODES } from '../../contract/config.ts'
import { AppError } from '../../contract/errors.ts'
import { PASS_ENV, TERMINAL_ENV } from '../../contract/run.ts'
import type { RunRequest } from '../../contract/run.ts'
import { parseDurationMs } from '../../lib/duration.ts'
import { variable } from '../context.ts'
import type { CliContext } from '../context.ts'
import { usageError } from '../parse-arguments.ts'
import type { ParsedArguments } from '../parse-arguments.ts'
import { quoted } from '../printable.ts'
import { parseCpus, parseMemory } from './run-limits.ts'
import { RUN_SPEC } from './run-spec.ts'

export interface ParsedRun {
  readonly request: RunRequest
  readonly options: { readonly json: boolean; readonly quiet: boolean }
  /** Sentences for stderr. */
  readonly notices: readonly string[]
}

/** A timer of the platform holds 2^31 - 1 ms; longer ones would fire at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1

/** Reads the values of `run`'s command line. Errors: `usage`, `not_available_yet`. */
export function parseRun(args: ParsedArguments, context: CliContext): ParsedRun {
  const notices: string[] = []
  const request: RunRequest = {
    command: commandOf(args),
    cwd: context.cwd,
    env: variablesOf(args, context, notices),
    callerEnv: callerEnvironment(context.env),
    ...defined('configPath', configPath(args.value('config'), context.cwd)),
    ...defined(
      'profile',
      PROFILE_NAMES.find((name) => name === args.value('profile')),
    ),
    ...defined('backend', withoutNul('--backend', args.value('backend'))),
    ...defined('image', imageOf(args.value('image'))),
    ...defined('workdir', withoutNul('--workdir', args.value('workdir'))),
    ...defined('timeoutMs', timeoutOf(args.value('timeout'))),
    ...defined('memoryBytes', args.has('memory') ? parseMemory(args.value('memory')!) : undefined),
    ...defined('cpus', args.has('cpus') ? parseCpus(args.value('cpus')!) : undefined),
    ...defined('network', args.has('no-network') ? false : undefined),
    ...defined(
      'workspace',
      WORKSPACE_MODES.find((mode) => mode === args.value('workspace')),
    ),
  }
  return { request, options: { json: args.has('json'), quiet: args.has('quiet') }, notices }
}

/** A property that is absent, rather than undefined, when there is no value. */
function defined<Key extends string, Value>(key: Key, value: Value | undefined): { readonly [K in Key]?: Value } {
  // The cast is true because a computed key of type Key gives exactly this record.
  return value === undefined ? {} : ({ [key]: value } as { readonly [K in Key]?: Value })
}

function commandOf(args: ParsedArguments): readonly string[] {
  const [program] = args.positionals
  if (program === undefined)
    throw usageError(RUN_SPEC, 'no command was given; write what to run, as in `agentkernel run python3 --version`.')
  if (program === '') throw usageError(RUN_SPEC, 'the command is empty; write the name of a program.')
  args.positionals.forEach((word, index) => {
    if (word.includes('\0'))
      throw usageError(RUN_SPEC, `argument ${index} of the command holds a NUL character, which no program can be given.`)
  })
  return args.positionals
}

function variablesOf(args: ParsedArguments, context: CliContext, notices: string[]): Readonly<Record<string, string>> {
  const variables = new Map<string, string>()
  for (const text of args.values('env')) {
    const equals = text.indexOf('=')
    const name = equals < 0 ? text : text.slice(0, equals)
    if (name === '' || /[\s\0]/.test(name)) throw usageError(RUN_SPEC, `--env ${quoted(text)} has no usable name; write KEY=VALUE or KEY.`)
    const value = equals < 0 ? variable(context.env, name) : text.slice(equals + 1)
    if (value === undefined) notices.push(`agentkernel: ${quoted(name)} is not set here, so --env does not pass it.`)
    else variables.set(name, withoutNul(`--env ${quoted(name)}`, value)!)
  }
  return Object.fromEntries(variables)
}

function callerEnvironment(env: CliContext['env']): Readonly<Record<string, string>> {
  const found = new Map<string, string>()
  const add = (name: string): void => {
    const value = variable(env, name)
    if (value !== undefined) found.set(name, value)
  }
  for (const pattern of [...TERMINAL_ENV, ...PASS_ENV]) {
    if (!pattern.endsWith('*')) add(pattern)
    else for (const name of Object.keys(env)) if (name.startsWith(pattern.slice(0, -1))) add(name)
  }
  return Object.fromEntries(found)
}

function configPath(file: string | undefined, cwd: string | undefined): string | undefined {
  if (withoutNul('--config', file) === undefined || file!.startsWith('/')) return file
  if (cwd === undefined) {
    throw new AppError('workspace_unavailable', `--config ${quoted(file!)} is relative, but the current directory no longer exists.`)
  }
  // Joined by hand: loading node:path would cost every run more than this whole function.
  return `${cwd}/${file!.replace(/^(\.\/+)+/, '')}`
}

function imageOf(image: string | undefined): string | undefined {
  if (image === undefined || image === 'host') return image
  throw new AppError(
    'not_available_yet',
    `--image ${quoted(image)} is not available yet; the only image is \`host\`, the programs of this machine.`,
  )
}

function timeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const ms = parseDurationMs(text)
  const accepted = 'write a number and a unit, as in 500ms, 45s, 30m, 2h or 1d; a bare number is seconds'
  if (ms === undefined) throw usageError(RUN_SPEC, `--timeout ${quoted(text)} is not a duration; ${accepted}.`)
  if (ms === 0) throw usageError(RUN_SPEC, `--timeout ${quoted(text)} is no time at all; leave the flag out for no limit.`)
  if (ms > LONGEST_TIMEOUT_MS) throw usageError(RUN_SPEC, `--timeout ${quoted(text)} is too long; the most is 24d.`)
  return ms
}

function withoutNul(shown: string, value: string | undefined): string | undefined {
  if (value?.includes('\0') === true) throw usageError(RUN_SPEC, `${shown} holds a NUL character, which cannot be passed on.`)
  return value
}
