/**
 * Takes secrets out of text that is about to be written down: exact values that the caller knows, well-known shapes of tokens,
 * and whatever stands where a password is expected. Pure; never throws; redacting twice changes nothing.
 *
 * It is a net, not a wall: a secret that is unknown, has no known shape and stands after no telling name passes through.
 */
import {
  ASSIGNMENT,
  BASIC,
  BEARER,
  HEADER,
  isPasswordOption,
  looksRandom,
  NAME_AND_VALUE,
  OPTION_AND_VALUE,
  PRIVATE_KEY,
  SECRET_OPTION,
  TOKEN_LENGTH,
  TOKEN_SHAPES,
  USER_INFO,
  WEAK_ASSIGNMENT,
  WHOLE_ASSIGNMENT,
} from './redact-patterns.ts'

/** What stands where a secret was. */
export const REDACTED = '[redacted]'

/** The same for a caller whose secret is itself a part of `REDACTED`. */
const BARE = '***'

/** Known values shorter than this are taken out only as whole words: taking out every `1` would leave nothing to read. */
const SHORTEST_ANYWHERE = 4

/** Passes until nothing changes. One or two are usual; the limit is for text made to provoke more. */
const MOST_PASSES = 6

/** One text without its secrets. `secrets` are exact values, such as those of the vault; empty ones are skipped. */
export function redactText(text: string, secrets: readonly string[]): string {
  return redactArguments([text], secrets)[0]!
}

/** A command line without its secrets, one element per element; `['--token', 'x']` counts as one option and its value. */
export function redactArguments(command: readonly string[], secrets: readonly string[]): string[] {
  const known = spellings(secrets)
  let current: readonly string[] = command
  for (let pass = 0; pass < MOST_PASSES; pass++) {
    const next = onePass(current, known)
    if (next.every((text, index) => text === current[index])) return next
    current = next
  }
  return current.map((text) => withoutRemains(text === '' ? '' : REDACTED, known))
}

/** Any data with every string in it redacted; arrays of strings as command lines. Keys stay as they are. */
export function redactData<T>(data: T, secrets: readonly string[]): T {
  // The shape is kept: strings become strings, so the result is of the same type, literal types aside.
  return redactUnknown(data, secrets) as T
}

function redactUnknown(data: unknown, secrets: readonly string[]): unknown {
  if (typeof data === 'string') return redactText(data, secrets)
  if (Array.isArray(data)) {
    if (data.every((item) => typeof item === 'string')) return redactArguments(data, secrets)
    return data.map((item: unknown) => redactUnknown(item, secrets))
  }
  if (typeof data !== 'object' || data === null) return data
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, redactUnknown(value, secrets)]))
}

function onePass(command: readonly string[], known: readonly string[]): string[] {
  const program = basename(command[0] ?? '')
  return command.map((text, index) => {
    const before = index === 0 ? undefined : command[index - 1]
    if (before !== undefined && isValueOf(before, text)) return withoutRemains(REDACTED, known)
    return redactOne(text, index === 0 ? undefined : program, before, known)
  })
}

/** True for the `x` of `--password x`. `--token --verbose` is a switch and the next option. */
function isValueOf(before: string, text: string): boolean {
  return before.startsWith('-') && SECRET_OPTION.test(before) && !text.startsWith('--') && text !== ''
}

function redactOne(text: string, program: string | undefined, before: string | undefined, known: readonly string[]): string {
  let result = withoutKnown(text, known)
  if (program !== undefined) result = redactShortOption(result, program, before)
  if (result.includes('=')) result = result.replace(WHOLE_ASSIGNMENT, `$1${REDACTED}`)
  // Compiling thirty patterns costs most of a millisecond, so those that cannot match are left alone.
  if (TOKEN_LENGTH.test(result)) for (const shape of TOKEN_SHAPES) result = result.replace(shape, REDACTED)
  if (NAME_AND_VALUE.test(result)) result = redactNamed(result)
  return withoutRemains(result, known)
}

/** `curl -u name:password`, `mysql -ppassword`, `sshpass -p password`. */
function redactShortOption(text: string, program: string, before: string | undefined): string {
  const login = before === '-u' || before === '--user' ? /^([^:\s]{1,200}):(?!\d+$)(?!\/\/)./s.exec(text) : null
  if (login !== null) return `${login[1]}:${REDACTED}`
  if (isPasswordOption(program, text.slice(0, 2)) && text.length > 2) return `${text.slice(0, 2)}${REDACTED}`
  return before !== undefined && isPasswordOption(program, before) && program === 'sshpass' ? REDACTED : text
}

/** Takes out what is a secret because of what stands before it. */
function redactNamed(text: string): string {
  return text
    .replace(PRIVATE_KEY, REDACTED)
    .replace(USER_INFO, `://${REDACTED}@`)
    .replace(HEADER, `$1${REDACTED}`)
    .replace(BEARER, `$1${REDACTED}`)
    .replace(BASIC, (all, scheme: string, login: string) => (isLogin(login) ? `${scheme}${REDACTED}` : all))
    .replace(ASSIGNMENT, `$1${REDACTED}`)
    .replace(OPTION_AND_VALUE, `$1${REDACTED}`)
    .replace(WEAK_ASSIGNMENT, (all, name: string, value: string) => (looksRandom(value) ? `${name}${REDACTED}` : all))
}

/** True for the base64 of `name:password`; "basic understanding" is prose. */
function isLogin(base64: string): boolean {
  return Buffer.from(base64, 'base64').toString('latin1').includes(':')
}

/** Every way a known value is likely to be spelled on a command line, longest first, so that no part of a longer one stays behind. */
function spellings(secrets: readonly string[]): readonly string[] {
  const all = new Set<string>()
  for (const secret of secrets) {
    if (secret === '') continue
    all.add(secret)
    if (secret.length < SHORTEST_ANYWHERE) continue
    all.add(encodeURIComponent(secret.toWellFormed()))
    all.add(JSON.stringify(secret).slice(1, -1))
    all.add(Buffer.from(secret).toString('base64'))
  }
  return [...all].sort((a, b) => b.length - a.length)
}

function withoutKnown(text: string, known: readonly string[]): string {
  let result = text
  for (const secret of known) {
    if (secret.length >= SHORTEST_ANYWHERE) result = result.replaceAll(secret, REDACTED)
    else result = result.replace(wholeWord(secret), REDACTED)
  }
  return result
}

function wholeWord(secret: string): RegExp {
  return new RegExp(String.raw`(?<![\p{L}\p{N}_])${RegExp.escape(secret)}(?![\p{L}\p{N}_])`, 'gu')
}

/** A mark may itself spell a known value, alone or with its neighbours; then the whole text goes. */
function withoutRemains(text: string, known: readonly string[]): string {
  const remains = (candidate: string) => known.some((secret) => secret.length >= SHORTEST_ANYWHERE && candidate.includes(secret))
  return [text, REDACTED, BARE].find((candidate) => !remains(candidate)) ?? ''
}

function basename(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
