/**
 * Text that came from data (audit records, command lines, file names) may hold terminal commands that recolour, move
 * the cursor or answer questions in the user's name. Everything of that kind is shown as an escape instead: C0 and C1
 * controls, DEL, direction overrides, line separators, invisible characters, and halves of surrogate pairs.
 */
const UNSAFE =
  /[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g
/** The same without C0 and surrogates, which JSON escapes itself. */
const RAW_IN_JSON = /[\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g

/** One line that is safe to print; line breaks and tabs are escaped too. */
export function printable(text: string): string {
  return text.replace(UNSAFE, escapeCharacter)
}

/** Several lines that are safe to print. Lines after the first are indented, so that none can pose as one of ours. */
export function printableLines(text: string): string {
  return text.trimEnd().split(/\r?\n/).map(printable).join('\n  ')
}

/** A value inside a sentence: safe, quoted, and short. */
export function quoted(text: string): string {
  const limit = 80
  // By code point, so that the cut never halves a character.
  const cut = text.length > limit ? `${[...text.slice(0, 2 * limit)].slice(0, limit - 1).join('')}…` : text
  return `"${printable(cut)}"`
}

/** A command line a person can read and paste: words that a shell would split or expand are quoted. */
export function commandLine(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${printable(word).replaceAll("'", `'\\''`)}'`)).join(' ')
}

/** JSON that is also safe to print: what `JSON.stringify` leaves raw is written as `\uXXXX`. */
export function printableJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(RAW_IN_JSON, (character) => unicodeEscape(character.charCodeAt(0)))
}

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0)
  if (character === '\n') return '\\n'
  if (character === '\t') return '\\t'
  if (character === '\r') return '\\r'
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : unicodeEscape(code)
}

function unicodeEscape(code: number): string {
  return `\\u${code.toString(16).padStart(4, '0')}`
}
