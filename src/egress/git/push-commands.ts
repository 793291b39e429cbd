/**
 * The beginning of a push over HTTP (git's `protocol-pack`): lines, each with its length before it as four hexadecimal digits that count
 * themselves, until the line `0000`; then the pack.
 *
 *     OLD NEW REF NUL CAPABILITIES LF     the first command
 *     OLD NEW REF LF                      further ones
 *     shallow ID LF                       where the program's copy begins
 *
 * Read as strictly as can be: what git and we might understand differently is refused.
 */
export const MOST_COMMAND_BYTES = 1024 * 1024

export interface PushCommand {
  /** Lower-case hexadecimal; zeros: there is none. */
  readonly old: string
  readonly new: string
  readonly ref: string
}

export interface PushHead {
  readonly commands: readonly PushCommand[]
  readonly capabilities: ReadonlySet<string>
  /** How many bytes the lines have, `0000` included. */
  readonly bytes: number
}

export type ParsedPush =
  | { readonly kind: 'head'; readonly head: PushHead }
  | { readonly kind: 'more' }
  | { readonly kind: 'bad'; readonly why: string }

const COMMAND = /^([0-9a-f]{40}|[0-9a-f]{64}) ([0-9a-f]{40}|[0-9a-f]{64}) ([\s\S]+)$/i
const SHALLOW = /^shallow (?:[0-9a-f]{40}|[0-9a-f]{64})$/i
const CAPABILITIES = /^[\x20-\x7e]*$/

export const isZero = (id: string): boolean => /^0+$/.test(id)

/** Never throws. */
export function parsePush(bytes: Uint8Array): ParsedPush {
  const commands: PushCommand[] = []
  let capabilities: ReadonlySet<string> = new Set()
  for (let at = 0; ;) {
    const line = lineAt(bytes, at)
    if (typeof line === 'string') return line === 'more' ? more(at, bytes.length) : bad(line)
    at += line.size
    if (at > MOST_COMMAND_BYTES) return tooMany
    if (line.text === undefined) return { kind: 'head', head: { commands, capabilities, bytes: at } }
    const [text = '', words, ...rest] = line.text.replace(/\n$/, '').split('\0')
    if (words === undefined && SHALLOW.test(text)) continue
    if (/^push-cert(?: |$)/.test(text)) return bad('signed pushes cannot be looked into')
    const command = readCommand(text)
    if (typeof command === 'string') return bad(command)
    if (words !== undefined) {
      if (commands.length > 0 || rest.length > 0 || !CAPABILITIES.test(words)) return bad('its capabilities cannot be read')
      capabilities = new Set(words.split(' ').filter((word) => word !== ''))
    }
    commands.push(command)
  }
}

const bad = (why: string): ParsedPush => ({ kind: 'bad', why })
const tooMany: ParsedPush = bad(`its commands have more than ${MOST_COMMAND_BYTES} bytes`)
const more = (at: number, length: number): ParsedPush =>
  at > MOST_COMMAND_BYTES || length > MOST_COMMAND_BYTES ? tooMany : { kind: 'more' }

/** A text: why there is none, `more` for too few bytes. `text` undefined: the end of the lines. Bytes that are no UTF-8 show as U+FFFD, which no ref may hold. */
function lineAt(bytes: Uint8Array, at: number): { readonly size: number; readonly text: string | undefined } | string {
  if (bytes.length < at + 4) return 'more'
  const digits = Buffer.from(bytes.subarray(at, at + 4)).toString('latin1')
  if (!/^[0-9a-f]{4}$/i.test(digits)) return 'the length of a line cannot be read'
  const size = Number.parseInt(digits, 16)
  if (size === 0) return { size: 4, text: undefined }
  if (size <= 4) return 'a line of it has no meaning in a push'
  if (bytes.length < at + size) return 'more'
  return { size, text: Buffer.from(bytes.subarray(at + 4, at + size)).toString('utf8') }
}

function readCommand(text: string): PushCommand | string {
  const match = COMMAND.exec(text)
  if (match === null) return 'a command of it cannot be read'
  const [, old = '', next = '', ref = ''] = match
  if (old.length !== next.length) return 'a command of it has ids of two kinds'
  if (!isRefName(ref)) return 'a ref of it has a name that is not allowed'
  return { old: old.toLowerCase(), new: next.toLowerCase(), ref }
}

/** As `git check-ref-format`, and a little stricter. */
export function isRefName(ref: string): boolean {
  if (ref.length > 1_024 || !ref.startsWith('refs/') || /[\0-\x20\x7f~^:?*[\\\ufffd]|\.\.|@\{/.test(ref)) return false
  return ref.split('/').every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock') && !part.endsWith('.'))
}
