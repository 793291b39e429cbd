import { AppError } from '../../contract/errors.ts'
import { PASS_ENV, TERMINAL_ENV } from '../../contract/run.ts'
import { parseDurationMs } from '../../lib/duration.ts'
import type { CommandSpec } from '../command.ts'
import { variable } from '../context.ts'
import type { CliContext } from '../context.ts'
import { usageError } from '../parse-arguments.ts'
import type { ParsedArguments } from '../parse-arguments.ts'
import { quoted } from '../printable.ts'

/** A timer of the platform holds 2^31 - 1 ms; longer ones would fire at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1

/** A property that is absent, rather than undefined, when there is no value. */
export function defined<Key extends string, Value>(key: Key, value: Value | undefined): { readonly [K in Key]?: Value } {
  // The cast is true because a computed key of type Key gives exactly this record.
  return value === undefined ? {} : ({ [key]: value } as { readonly [K in Key]?: Value })
}

/** The program and its arguments. Errors: `usage`. */
export function programOf(spec: CommandSpec, words: readonly string[], example: string): readonly string[] {
  const [program] = words
  if (program === undefined) throw usageError(spec, `no command was given; write what to run, as in \`${example}\`.`)
  if (program === '') throw usageError(spec, 'the command is empty; write the name of a program.')
  words.forEach((word, index) => {
    if (word.includes('\0'))
      throw usageError(spec, `argument ${index} of the command holds a NUL character, which no program can be given.`)
  })
  return words
}

/** What `--env` sets; a name alone takes its value from the caller's environment. `notices` gets sentences. Errors: `usage`. */
export function variablesOf(
  spec: CommandSpec,
  args: ParsedArguments,
  context: CliContext,
  notices: string[],
): Readonly<Record<string, string>> {
  const variables = new Map<string, string>()
  for (const text of args.values('env')) {
    const equals = text.indexOf('=')
    const name = equals < 0 ? text : text.slice(0, equals)
    if (name === '' || /[\s\0]/.test(name)) throw usageError(spec, `--env ${quoted(text)} has no usable name; write KEY=VALUE or KEY.`)
    const value = equals < 0 ? variable(context.env, name) : text.slice(equals + 1)
    if (value === undefined) notices.push(`agentkernel: ${quoted(name)} is not set here, so --env does not pass it.`)
    else variables.set(name, withoutNul(spec, `--env ${quoted(name)}`, value)!)
  }
  return Object.fromEntries(variables)
}

/** The caller's variables that requests carry. */
export function callerEnvironment(env: CliContext['env']): Readonly<Record<string, string>> {
  return matching(env, [...TERMINAL_ENV, ...PASS_ENV])
}

/** The caller's variables about terminal and language, which every command of theirs gets. */
export function terminalEnvironment(env: CliContext['env']): Readonly<Record<string, string>> {
  return matching(env, TERMINAL_ENV)
}

function matching(env: CliContext['env'], patterns: readonly string[]): Readonly<Record<string, string>> {
  const found = new Map<string, string>()
  const add = (name: string): void => {
    const value = variable(env, name)
    if (value !== undefined) found.set(name, value)
  }
  for (const pattern of patterns) {
    if (!pattern.endsWith('*')) add(pattern)
    else for (const name of Object.keys(env)) if (name.startsWith(pattern.slice(0, -1))) add(name)
  }
  return Object.fromEntries(found)
}

/** `KEY=value` texts, as requests carry variables. */
export function variableTexts(variables: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(variables).map(([name, value]) => `${name}=${value}`)
}

/** A path of the host made absolute; `flag` names it in errors. Errors: `usage`, `workspace_unavailable`. */
export function hostPath(spec: CommandSpec, flag: string, path: string | undefined, cwd: string | undefined): string | undefined {
  if (withoutNul(spec, flag, path) === undefined || path!.startsWith('/')) return path
  if (cwd === undefined) {
    throw new AppError('workspace_unavailable', `${flag} ${quoted(path!)} is relative, but the current directory no longer exists.`)
  }
  // Joined by hand: loading node:path would cost every run more than this whole function.
  return `${cwd}/${path!.replace(/^(\.\/+)+/, '')}`
}

/** Errors: `not_available_yet`. */
export function imageOf(image: string | undefined): string | undefined {
  if (image === undefined || image === 'host') return image
  throw new AppError(
    'not_available_yet',
    `--image ${quoted(image)} is not available yet; the only image is \`host\`, the programs of this machine.`,
  )
}

/** Milliseconds of `--timeout`. Errors: `usage`. */
export function timeoutOf(spec: CommandSpec, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const ms = parseDurationMs(text)
  const accepted = 'write a number and a unit, as in 500ms, 45s, 30m, 2h or 1d; a bare number is seconds'
  if (ms === undefined) throw usageError(spec, `--timeout ${quoted(text)} is not a duration; ${accepted}.`)
  if (ms === 0) throw usageError(spec, `--timeout ${quoted(text)} is no time at all; leave the flag out for no limit.`)
  if (ms > LONGEST_TIMEOUT_MS) throw usageError(spec, `--timeout ${quoted(text)} is too long; the most is 24d.`)
  return ms
}

/** Errors: `usage`. */
export function withoutNul(spec: CommandSpec, shown: string, value: string | undefined): string | undefined {
  if (value?.includes('\0') === true) throw usageError(spec, `${shown} holds a NUL character, which cannot be passed on.`)
  return value
}
