import type { Verdict } from './verdict.ts'

/**
 * A test on 32 bits of an argument: `(word & mask)` is one of `in`.
 *
 * The low word is right for every argument that the kernel declares as `int` or `unsigned int`: it cuts the upper half
 * off, so a filter that compares 64 bits is passed by setting any bit above.
 */
export interface WordTest {
  readonly arg: number
  /** @default 'low' */
  readonly word?: 'low' | 'high'
  /** @default all bits */
  readonly mask?: number
  readonly in: readonly number[]
}

/** A comparison of a whole 64-bit argument with `value`, unsigned; `negate` turns `eq`, `ge`, `gt` into `ne`, `lt`, `le`. */
export interface WideTest {
  readonly arg: number
  readonly compare: 'eq' | 'ge' | 'gt'
  readonly value: bigint
  readonly negate: boolean
}

export type ArgumentTest = WordTest | WideTest

/** When every test holds, `verdict` is the answer. */
export interface Clause {
  readonly when: readonly ArgumentTest[]
  readonly verdict: Verdict
}

/** Clauses in order, the first that holds decides; none holds = `otherwise`. */
export interface ArgumentRule {
  readonly clauses: readonly Clause[]
  readonly otherwise: Verdict
}

/** What a filter does with one system call. */
export type CallRule = Verdict | ArgumentRule
