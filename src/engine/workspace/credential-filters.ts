import { filterGitConfig } from './git-config-filter.ts'
import type { ContentFilter } from './secret-files.ts'
import { stripUrlCredentials } from './url-credentials.ts'

/**
 * Takes the credentials out of a file. Returns the text itself when there are none, and undefined when they cannot be
 * told from the rest, so that the whole file has to be hidden.
 */
export function filterCredentials(filter: ContentFilter, text: string): string | undefined {
  const clean = FILTERS[filter](text)
  return /PRIVATE KEY/.test(clean) || (filter === 'yaml-settings' && YAML_LEFT_OVER.test(clean)) ? undefined : clean
}

const FILTERS: Readonly<Record<ContentFilter, (text: string) => string>> = {
  'git-config': filterGitConfig,
  settings: filterSettings,
  'yaml-settings': filterYamlSettings,
}

const WORDS = '(?:_auth|token|password|passwd|pwd|passphrase|secret|(?:api|secret|access|private)[._-]?key|credentials?)'
/** `…Token = value`, `"…:_authToken" "value"`, `…password: value`; group 1 is the value. */
const SECRET_SETTING = new RegExp(`${WORDS}["']?(?:\\s{0,20}[=:]|\\s)\\s{0,20}(.*)$`, 'i')
const SECRET_COMMENT = new RegExp(`${WORDS}["']?\\s{0,20}[=:]\\s{0,20}(.*)$`, 'i')
/** Says where a secret comes from, or nothing at all. */
const HARMLESS_VALUE = /^["']?(?:\$\{?\w+\}?|\$\{[^}]*\}|%\w+%|true|false|null)?["']?\s*$/i

/** Settings of one line each: npm, Yarn 1, pip, Mercurial, Gradle. A line with a secret goes, with its continuation. */
function filterSettings(text: string): string {
  const kept: string[] = []
  let dropped = ''
  for (const line of text.split('\n')) {
    const goesOn = dropped.trimEnd().endsWith('\\') || (dropped !== '' && /^[ \t]+\S/.test(line))
    const form = /^\s*[#;!]/.test(line) ? SECRET_COMMENT : SECRET_SETTING
    const value = form.exec(line)?.[1]
    const drop = goesOn || /PRIVATE KEY.*PRIVATE KEY/.test(line) || (value !== undefined && !HARMLESS_VALUE.test(value))
    if (!drop) kept.push(stripUrlCredentials(line))
    dropped = drop ? line : ''
  }
  return kept.join('\n')
}

const YAML_KEY = /^(\s*)["']?[\w-]*(?:auth[_-]?token|auth[_-]?ident|password|secret)["']?\s{0,20}:\s{0,20}(.*)$/i
const YAML_LEFT_OVER = /npmAuth(?:Token|Ident)["']?\s{0,20}:\s{0,20}(?!["']?\$\{)["']?[^\s"'$]/i

/** Yarn 2 and later. A secret goes with the deeper lines of a block value; what is written in one line is caught later. */
function filterYamlSettings(text: string): string {
  const kept: string[] = []
  let dropDeeperThan = Number.POSITIVE_INFINITY
  for (const line of text.split('\n')) {
    const indent = /^\s*/.exec(line)![0].length
    if (indent > dropDeeperThan || (line.trim() === '' && dropDeeperThan !== Number.POSITIVE_INFINITY)) continue
    const secret = YAML_KEY.exec(line)
    const drop = secret !== null && !HARMLESS_VALUE.test(secret[2]!.trim() === '' ? '|' : secret[2]!)
    dropDeeperThan = drop ? indent : Number.POSITIVE_INFINITY
    if (!drop) kept.push(stripUrlCredentials(line))
  }
  return kept.join('\n')
}
