import { stripUrlCredentials } from './url-credentials.ts'

/** One piece of a git configuration file, as it stands there. */
interface Piece {
  readonly kind: 'header' | 'entry' | 'other'
  readonly raw: string
}

const SECRET_KEY = /(pass|password|passwd|passphrase|token|secret|apikey|privatekey|extraheader)$/
const SECRET_VALUE = /\b(authorization|private-token|bearer|sshpass)\b|\b(password|token|secret)\s{0,5}[=:]\s{0,5}\S/i

/**
 * Takes the credentials out of a git configuration: logins in URLs (also in section names), extra headers, everything
 * in `[credential]`, and keys such as `smtpPass` and `token`. The rest keeps its bytes. git's own grammar is followed,
 * so that a value that goes on over several lines is seen as one.
 */
export function filterGitConfig(text: string): string {
  let section = ''
  let output = ''
  for (const piece of pieces(text)) {
    if (piece.kind === 'header') {
      section = /^\[\s*([^\s"\]]*)/.exec(piece.raw)?.[1]?.toLowerCase() ?? ''
      output += stripUrlCredentials(piece.raw)
    } else if (piece.kind === 'other') output += stripUrlCredentials(piece.raw)
    else output += filterEntry(piece.raw, section)
  }
  return output
}

function filterEntry(raw: string, section: string): string {
  const key = /^[a-z0-9-]*/i.exec(raw)![0].toLowerCase()
  const value = decodeValue(raw.slice(key.length))
  if (section.split('.')[0] === 'credential' || SECRET_KEY.test(key) || SECRET_VALUE.test(value)) return ''
  const clean = stripUrlCredentials(value)
  if (clean === value) return raw
  // Quotes or line breaks inside the URL can hide it from the plain replacement; then the entry goes.
  const shorter = stripUrlCredentials(raw.replaceAll(/\\\r?\n/g, ''))
  return decodeValue(shorter.slice(key.length)) === clean ? shorter : ''
}

/** The value as git reads it, comments left on: without `=`, quotes and escapes. */
function decodeValue(raw: string): string {
  return raw
    .replace(/^\s*=\s*/, '')
    .replaceAll(/\\\r?\n/g, '')
    .replaceAll(/\\(.)|"/g, (_, escaped: string | undefined) => escaped ?? '')
}

function* pieces(text: string): Generator<Piece> {
  let at = 0
  while (at < text.length) {
    const start = at
    const char = text[at]!
    if (char === '[') {
      at = headerEnd(text, at)
      yield { kind: 'header', raw: text.slice(start, at) }
    } else if (/[a-z0-9]/i.test(char)) {
      at = entryEnd(text, at)
      yield { kind: 'entry', raw: text.slice(start, at) }
    } else if (/\s/.test(char)) {
      while (at < text.length && /\s/.test(text[at]!)) at++
      yield { kind: 'other', raw: text.slice(start, at) }
    } else {
      at = lineEnd(text, at)
      yield { kind: 'other', raw: text.slice(start, at) }
    }
  }
}

/** Behind the `]` that closes the header; quoted subsections may hold one of their own. */
function headerEnd(text: string, start: number): number {
  let quoted = false
  for (let at = start; at < text.length; at++) {
    if (text[at] === '\n') return at
    if (text[at] === '\\') at++
    else if (text[at] === '"') quoted = !quoted
    else if (text[at] === ']' && !quoted) return at + 1
  }
  return text.length
}

/** Behind the line break that ends the entry: not an escaped one; in a comment, the next. */
function entryEnd(text: string, start: number): number {
  let quoted = false
  for (let at = start; at < text.length; at++) {
    const char = text[at]
    if (char === '\n') return at + 1
    if (char === '\\') at += text.startsWith('\r\n', at + 1) ? 2 : 1
    else if (char === '"') quoted = !quoted
    else if ((char === '#' || char === ';') && !quoted) return lineEnd(text, at)
  }
  return text.length
}

function lineEnd(text: string, start: number): number {
  const end = text.indexOf('\n', start)
  return end < 0 ? text.length : end + 1
}
