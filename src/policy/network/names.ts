/** Letters, digits, hyphens inside, and the underscores of service names. */
const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/
const LONGEST_NAME = 253

/**
 * A name as the policy compares it: lower case, one trailing dot less. Undefined for what is no name, or looks like an address in
 * any of the ways in which programs read numbers (`2130706433`, `0x7f.1`, `017700000001`, `10.1`). International names must be in
 * their ASCII form here, as DNS carries them. Cheap: it is asked for every connection.
 */
export function normalName(name: string): string | undefined {
  if (name.length > LONGEST_NAME + 1) return undefined
  const text = (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase()
  if (text === '' || text.length > LONGEST_NAME) return undefined
  const labels = text.split('.')
  return labels.every((label) => LABEL.test(label)) && !looksLikeNumber(labels.at(-1)!) ? text : undefined
}

/** The rule of URLs: a name whose last label is a number is an address, however odd. */
function looksLikeNumber(label: string): boolean {
  return /^(?:\d+|0x[0-9a-f]*)$/.test(label)
}

export type NameProblem = 'empty' | 'long' | 'address' | 'character' | 'punycode'

/** A name as a person writes it in a rule, in any script. */
export function parseName(written: string): { readonly name: string } | { readonly problem: NameProblem } {
  if (written === '' || written === '.') return { problem: 'empty' }
  if (written.length > 4 * LONGEST_NAME) return { problem: 'long' }
  const text = written.endsWith('.') ? written.slice(0, -1) : written
  // the conversion would undo `%41` and take what follows a `/` or `@` away.
  if (/[\s%/@:?#\\[\]]/.test(text)) return { problem: 'character' }
  const ascii = /^[\x21-\x7e]*$/.test(text) ? text.toLowerCase() : toAscii(text)
  if (ascii === '') return { problem: 'punycode' }
  const labels = ascii.split('.')
  if (looksLikeNumber(labels.at(-1)!)) return { problem: 'address' }
  if (ascii.length > LONGEST_NAME || labels.some((label) => label.length > 63)) return { problem: 'long' }
  const name = normalName(ascii)
  if (name === undefined) return { problem: labels.includes('') ? 'empty' : 'character' }
  // A name that no conversion gives would be compared with nothing.
  if (labels.some((label) => label.startsWith('xn--')) && toAscii(name) !== name) return { problem: 'punycode' }
  return { name }
}

/** The ASCII form that DNS carries (UTS 46), empty when there is none. The URL parser has the tables; node:url would be loaded for them. */
function toAscii(name: string): string {
  const url = `http://${name}/`
  return URL.canParse(url) ? new URL(url).hostname : ''
}
