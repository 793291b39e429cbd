/** The most characters of a name. */
export const MAX_NAME_LENGTH = 63

/** What cutting a long name puts at its end, so that two long names that begin alike stay two. */
const HASH_LENGTH = 8

/**
 * Why `name` cannot name a sandbox, a snapshot or a session, one sentence that names the rule; undefined when it can. A name has 1
 * to 63 ASCII letters, digits, `-` and `_`, begins and ends with a letter or digit, and has no two of `-` and `_` side by side.
 * So it is safe as a path, a host name's part, an argument and in a URL, and the sentence, which may quote it, is safe to print.
 */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'the name is empty; it needs 1 to 63 characters'
  const foreign = /[^A-Za-z0-9_-]/u.exec(name)?.[0]
  if (foreign !== undefined) {
    return `the name holds ${shown(foreign)}; only ASCII letters, digits, "-" and "_" are allowed`
  }
  // From here on it is safe to quote whole, once it is known to be short.
  if (name.length > MAX_NAME_LENGTH) return `the name has ${name.length} characters; the most is ${MAX_NAME_LENGTH}`
  if (/^[-_]/.test(name)) return `the name "${name}" begins with "${name[0]}"; the first character must be a letter or a digit`
  if (/[-_]$/.test(name)) return `the name "${name}" ends with "${name.at(-1)}"; the last character must be a letter or a digit`
  const pair = /[-_]{2}/.exec(name)?.[0]
  if (pair !== undefined) return `the name "${name}" holds "${pair}"; two of "-" and "_" must not stand side by side`
  return undefined
}

/**
 * Makes a name of any text, such as `<project>-<branch>`: `my-app-feature/Login` → `my-app-feature-Login`. Accents are dropped, every
 * other character that is not allowed becomes `-`. Undefined when nothing is left. A valid name stays as it is; the same text gives
 * the same name. Texts that differ only in what is replaced (`a/b`, `a-b`) give one name; long ones that are cut do not.
 */
export function sanitizeName(text: string): string | undefined {
  const name = text
    .normalize('NFKD')
    .replace(/\p{Mn}+/gu, '')
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .replace(/[-_]{2,}/g, (run) => run[0]!)
    .replace(/^[-_]+|[-_]+$/g, '')
  if (name === '') return undefined
  if (name.length <= MAX_NAME_LENGTH) return name
  const hash = new Bun.CryptoHasher('sha256').update(name).digest('hex').slice(0, HASH_LENGTH)
  return `${name.slice(0, MAX_NAME_LENGTH - HASH_LENGTH - 1).replace(/[-_]$/, '')}-${hash}`
}

/** A character that a sentence can hold whatever it is: quoted when it is visible ASCII, else by its number. */
function shown(character: string): string {
  if (character === ' ') return 'a space'
  if (/^[!-~]$/.test(character)) return `"${character}"`
  return `the character U+${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`
}
