import { type Rule, ruleSet, type RuleSet } from './stream-replacer.ts'

/** Values shorter than this stand in ordinary text by chance; taking them out would harm more than it hides. */
const SHORTEST = 6
/** The same for what is left of a value in the middle of base64. */
const SHORTEST_BASE64 = 8

/** Hides these values in whatever form a server may send them back. Undefined: there is nothing to hide. */
export function redactionOf(secrets: readonly { readonly value: string; readonly placeholder: string }[]): RuleSet | undefined {
  const rules = secrets
    .filter(({ value }) => value.length >= SHORTEST)
    .flatMap(({ value, placeholder }) => {
      const found = { bytes: Buffer.from(placeholder) }
      return spellings(value).map((spelling): Rule => ({ pattern: Buffer.from(spelling), found }))
    })
  return rules.length === 0 ? undefined : ruleSet(rules)
}

function spellings(value: string): readonly string[] {
  const whole = value.toWellFormed()
  const json = JSON.stringify(whole).slice(1, -1)
  const ascii = json.replace(/[^\x20-\x7e]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
  const percent = encodeURIComponent(whole)
  return [
    ...new Set([
      whole,
      json,
      json.replaceAll('/', '\\/'),
      ascii,
      ascii.replaceAll('/', '\\/'),
      percent,
      percent.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase()),
      percent.replaceAll('%20', '+'),
      new URLSearchParams([['', whole]]).toString().slice(1),
      html(whole),
      ...inBase64(whole),
    ]),
  ]
}

function html(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;')
}

/**
 * The value in base64, alone and within something longer (`user:VALUE`): at each of three offsets other characters come out, of
 * which those at the two ends depend on the neighbours.
 */
function inBase64(value: string): string[] {
  const bytes = Buffer.from(value)
  const inside = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
    return text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
  })
  const all = [bytes.toString('base64'), ...inside].filter(({ length }) => length >= SHORTEST_BASE64)
  return all.flatMap((text) => [text, text.replaceAll('+', '-').replaceAll('/', '_')])
}
