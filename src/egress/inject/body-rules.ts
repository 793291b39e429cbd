import type { Prepared } from './prepared.ts'
import { type Rule, ruleSet, type RuleSet } from './stream-replacer.ts'

/** How a value is written in a body so that it means itself. */
export type BodyKind = 'json' | 'form' | 'plain'

/** What shall happen to the placeholder of one secret in a body: it becomes the value, it is refused, or it stays. */
export interface BodyUse {
  readonly one: Prepared
  readonly value?: string
  readonly block?: string
}

export interface BodyRules {
  /** Undefined: there is nothing to look for. */
  rulesFor(kind: BodyKind, uses: readonly BodyUse[]): RuleSet | undefined
}

export function bodyKindOf(contentType: string | undefined): BodyKind {
  const type = (contentType ?? '').toLowerCase()
  if (/^[^;]*[/+]json\b/.test(type)) return 'json'
  return type.startsWith('application/x-www-form-urlencoded') ? 'form' : 'plain'
}

/** Bindings have few combinations; whoever has more pays for making them again. */
const MOST_KEPT = 64

/** Rules for bodies, kept from one request to the next as long as values and verdicts are the same. */
export function createBodyRules(): BodyRules {
  const kept = new Map<string, { readonly values: readonly (string | undefined)[]; readonly set: RuleSet }>()
  return {
    rulesFor: (kind, uses) => {
      const relevant = uses.filter((use) => use.one.secret.binding.how === 'token' || use.value !== undefined)
      if (relevant.every((use) => use.value === undefined && use.block === undefined)) return undefined
      const key = JSON.stringify([kind, relevant.map(({ one, value, block }) => [one.secret.placeholder, value === undefined, block])])
      const values = relevant.map(({ value }) => value)
      const known = kept.get(key)
      if (known !== undefined && known.values.every((value, index) => value === values[index])) return known.set
      const set = ruleSet(relevant.toSorted(bySwap).map((use) => ruleOf(kind, use)))
      if (kept.size >= MOST_KEPT) kept.clear()
      kept.set(key, { values, set })
      return set
    },
  }
}

/** Of two bindings of one secret, the one that swaps holds, and the one that refuses comes last. */
function bySwap(a: BodyUse, b: BodyUse): number {
  const rank = ({ value, block }: BodyUse): number => (value === undefined ? (block === undefined ? 1 : 2) : 0)
  return rank(a) - rank(b)
}

function ruleOf(kind: BodyKind, { one, value, block }: BodyUse): Rule {
  const pattern = Buffer.from(one.secret.placeholder)
  if (value !== undefined) return { pattern, found: { bytes: Buffer.from(written(kind, value)) } }
  return { pattern, found: block === undefined ? { keep: true } : { block } }
}

function written(kind: BodyKind, value: string): string {
  if (kind === 'json') return JSON.stringify(value).slice(1, -1)
  return kind === 'form' ? encodeURIComponent(value.toWellFormed()) : value
}
