import type { BodyFilter } from '../types.ts'
import { type MultiSearch, multiSearch } from './multi-search.ts'

/** What becomes of a pattern that is found: other bytes, itself, or the end of the exchange. */
export type Found = { readonly bytes: Uint8Array } | { readonly keep: true } | { readonly block: string }

export interface Rule {
  readonly pattern: Uint8Array
  readonly found: Found
}

/** Rules made ready to search with; for many streams. */
export interface RuleSet {
  readonly rules: readonly Rule[]
  readonly search: MultiSearch
  readonly changesLength: boolean
}

/** Of two rules with the same pattern the first holds. `rules` must not be empty, nor a pattern shorter than two bytes. */
export function ruleSet(rules: readonly Rule[]): RuleSet {
  const seen = new Map(rules.toReversed().map((rule) => [Buffer.from(rule.pattern).toString('latin1'), rule]))
  const once = [...seen.values()]
  const changesLength = once.some(({ pattern, found }) => 'bytes' in found && found.bytes.length !== pattern.length)
  return { rules: once, search: multiSearch(once.map(({ pattern }) => pattern)), changesLength }
}

const NOTHING = new Uint8Array(0)

/**
 * Replaces in a stream, wherever its chunks are cut. Keeps back only what may be the beginning of a pattern, so that lines of a
 * stream of events are not late.
 */
export function streamReplacer({ rules, search, changesLength }: RuleSet, onFound?: (rule: Rule) => void): BodyFilter {
  let kept: Uint8Array = NOTHING
  let blocked: string | undefined
  const work = (chunk: Uint8Array, isLast: boolean): Uint8Array => {
    if (blocked !== undefined) return NOTHING
    const bytes = kept.length === 0 ? chunk : Buffer.concat([kept, chunk])
    kept = NOTHING
    const pieces: Uint8Array[] = []
    let done = 0
    for (let hit = search.find(bytes, 0); hit !== undefined; hit = search.find(bytes, done)) {
      const { start, end, pattern } = hit
      // A longer pattern that begins here or earlier may be cut off by the end of the chunk; then it is not yet decided.
      if (!isLast && start > bytes.length - search.longest) {
        const open = search.unfinished(bytes, done)
        if (open <= start) return joined(bytes, pieces, done, keep(bytes, open))
      }
      const rule = rules[pattern]!
      onFound?.(rule)
      if ('block' in rule.found) {
        blocked = rule.found.block
        return joined(bytes, pieces, done, start)
      }
      if ('bytes' in rule.found) pieces.push(bytes.subarray(done, start), rule.found.bytes)
      else pieces.push(bytes.subarray(done, end))
      done = end
    }
    return joined(bytes, pieces, done, isLast ? bytes.length : keep(bytes, search.unfinished(bytes, done)))
  }
  /** Copies, because the rest of a large chunk must not live on for a few bytes. */
  const keep = (bytes: Uint8Array, from: number): number => {
    kept = bytes.slice(from)
    return from
  }
  return {
    changesLength,
    push: (chunk) => work(chunk, false),
    end: () => work(NOTHING, true),
    get blocked() {
      return blocked
    },
  }
}

function joined(bytes: Uint8Array, pieces: Uint8Array[], from: number, to: number): Uint8Array {
  if (pieces.length === 0) return from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to)
  pieces.push(bytes.subarray(from, to))
  return Buffer.concat(pieces)
}

/** The same for a whole text of a header: one byte for each character. */
export function replaceInText(rules: RuleSet, text: string): string {
  const bytes = Buffer.from(text, 'latin1')
  if (rules.search.find(bytes, 0) === undefined) return text
  const filter = streamReplacer(rules)
  return Buffer.concat([filter.push(bytes), filter.end()]).toString('latin1')
}
