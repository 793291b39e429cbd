/** Longest piece of somebody's text inside a sentence, in characters. */
const LONGEST = 80

/** Text from outside inside a sentence: quoted, short, and unable to steer a terminal. */
export function shown(text: string): string {
  const characters = [...text.slice(0, 2 * LONGEST)]
  const short = characters.length > LONGEST ? `${characters.slice(0, LONGEST - 1).join('')}…` : text
  return JSON.stringify(short).replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`,
  )
}

/** An argument as a shell takes it whole. Rules never hold a quote. */
export function allowHint(rule: string): string {
  return /^[A-Za-z0-9._:,/-]+$/.test(rule) ? `--allow ${rule}` : `--allow '${rule}'`
}
