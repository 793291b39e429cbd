import { SECRET_RULES, SHARED_ON_PURPOSE } from './secret-files.ts'
import type { SecretAction, SecretRule } from './secret-files.ts'

/** What to do with the file of that base name, or undefined for most files. */
export type SecretMatcher = (name: string) => SecretAction | undefined

/** A rule and its place in the table; the lowest place wins. */
interface Ranked {
  readonly rule: SecretRule
  readonly rank: number
}

/**
 * Makes matchers over the rules, one for each folder (relative to the project, `''` = its root). A scan asks about every
 * file of a project, so plain names and extensions are looked up, and only patterns are tried one by one.
 */
export function createSecretMatcher(rules: readonly SecretRule[] = SECRET_RULES): (folder: string) => SecretMatcher {
  const exact = new Map<string, Ranked[]>()
  const extensions = new Map<string, Ranked[]>()
  const everywhere: Ranked[] = []
  const patterns: { readonly pattern: RegExp; readonly ranked: Ranked }[] = []
  for (const [rank, rule] of rules.entries()) {
    for (const name of rule.names) {
      if (typeof name !== 'string') patterns.push({ pattern: name, ranked: { rule, rank } })
      else if (name === '*') everywhere.push({ rule, rank })
      else if (name.startsWith('*.')) append(extensions, name.slice(2), { rule, rank })
      else append(exact, name, { rule, rank })
    }
  }
  return (folder) => {
    const path = folder === '' ? '/' : `/${folder}/`
    const allNames = everywhere.filter(({ rule }) => rule.within?.test(path))
    return (name) => {
      const lower = name.toLowerCase()
      const dot = lower.lastIndexOf('.')
      const found = [...allNames, ...(exact.get(lower) ?? []), ...((dot < 0 ? undefined : extensions.get(lower.slice(dot + 1))) ?? [])]
      for (const { pattern, ranked } of patterns) if (pattern.test(lower)) found.push(ranked)
      if (found.length === 0 || isShared(lower)) return undefined
      const matching = found.filter(({ rule }) => rule.within === undefined || rule.within.test(path))
      return matching.toSorted((a, b) => a.rank - b.rank)[0]?.rule.action
    }
  }
}

/** Changes whenever a rule does, so that what was found under other rules is not trusted. */
export function rulesFingerprint(rules: readonly SecretRule[] = SECRET_RULES): number {
  const text = rules.map((rule) => [rule.names.map(String).join(), rule.within?.source, JSON.stringify(rule.action)].join('|'))
  return Bun.hash.crc32([...text, ...SHARED_ON_PURPOSE.map(String)].join('\n'))
}

function isShared(lower: string): boolean {
  return SHARED_ON_PURPOSE.some((shared) => (typeof shared === 'string' ? shared === lower : shared.test(lower)))
}

function append(map: Map<string, Ranked[]>, key: string, ranked: Ranked): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [ranked])
  else list.push(ranked)
}
