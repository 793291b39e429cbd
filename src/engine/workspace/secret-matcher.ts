import { SECRET_RULES, SHARED_ON_PURPOSE } from './secret-files.ts'
import type { SecretAction, SecretRule } from './secret-files.ts'

/** What to do with the file of that base name, or undefined for most files. */
export type SecretMatcher = (name: string) => SecretAction | undefined

/** A name of a rule and the rule's rank; the lowest wins. */
interface Ranked {
  readonly rule: SecretRule
  readonly rank: number
  /** What stands before and behind the `*`. */
  readonly start: string
  readonly end: string
}

/**
 * Makes matchers over the rules, one for each folder (relative to the project, `''` = its root). A scan asks about every
 * file of a project, so plain names and extensions are looked up, and only the rest is tried one by one.
 */
export function createSecretMatcher(rules: readonly SecretRule[] = SECRET_RULES): (folder: string) => SecretMatcher {
  const exact = new Map<string, Ranked[]>()
  const extensions = new Map<string, Ranked[]>()
  const anyName: Ranked[] = []
  const others: Ranked[] = []
  for (const [place, rule] of rules.entries()) {
    const rank = rule.action.hide === 'always' ? place - rules.length : place
    for (const name of rule.names) {
      const star = name.indexOf('*')
      const ranked = { rule, rank, start: name.slice(0, Math.max(star, 0)), end: name.slice(star + 1) }
      if (star < 0) append(exact, name, ranked)
      else if (name === '*') anyName.push(ranked)
      else if (star === 0 && name.lastIndexOf('.') === 1) append(extensions, name.slice(2), ranked)
      else others.push(ranked)
    }
  }
  return (folder) => {
    const path = folder === '' ? '/' : `/${folder}/`
    const here = anyName.filter(({ rule }) => isWithin(path, rule))
    return (name) => {
      const lower = name.toLowerCase()
      let best: Ranked | undefined
      const offer = (ranked: Ranked): void => {
        if (best !== undefined && best.rank <= ranked.rank) return
        if (isWithin(path, ranked.rule) && (ranked.rule.pattern?.test(lower) ?? true)) best = ranked
      }
      here.forEach(offer)
      exact.get(lower)?.forEach(offer)
      const dot = lower.lastIndexOf('.')
      if (dot >= 0) extensions.get(lower.slice(dot + 1))?.forEach(offer)
      for (const ranked of others) if (fits(lower, ranked.start, ranked.end)) offer(ranked)
      return best === undefined || isShared(lower) ? undefined : best.rule.action
    }
  }
}

function isWithin(path: string, rule: SecretRule): boolean {
  if (rule.within === undefined) return true
  return rule.within.some((place) => (place.endsWith('**') ? path.includes(place.slice(0, -2)) : path.endsWith(place)))
}

function fits(name: string, start: string, end: string): boolean {
  return name.length >= start.length + end.length && name.startsWith(start) && name.endsWith(end)
}

function isShared(lower: string): boolean {
  return SHARED_ON_PURPOSE.some((shared) => {
    const star = shared.indexOf('*')
    return star < 0 ? shared === lower : fits(lower, shared.slice(0, star), shared.slice(star + 1))
  })
}

function append(map: Map<string, Ranked[]>, key: string, ranked: Ranked): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [ranked])
  else list.push(ranked)
}
