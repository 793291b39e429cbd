import { BUILT_IN_PRICES, type Price, type PriceRow } from './prices.ts'
import type { Usage } from './usage.ts'

const MILLION = 1_000_000
/** A date or `-latest` at the end of a model's name, as providers write it: it is the same model at the same price. */
const VERSION = /(?:-latest|[-@]\d{4}-?\d{2}-?\d{2}|-\d{2}-\d{4}|-\d{4})$/

/** Looks up what a model costs. The user's rows go before ours. */
export class PriceTable {
  readonly #rows: readonly PriceRow[]

  constructor(own: readonly PriceRow[] = []) {
    this.#rows = [...own, ...BUILT_IN_PRICES]
  }

  /** Undefined: no row fits. A name with its date goes before one without, and the longest `*` wins. */
  of(provider: string, host: string, model: string): Price | undefined {
    const rows = this.#rows.filter((row) => row.provider === provider || row.provider === host)
    const names = [model.toLowerCase(), model.toLowerCase().replace(VERSION, '')]
    for (const name of names) {
      const exact = rows.find((row) => row.model.toLowerCase() === name)
      if (exact !== undefined) return exact
    }
    return rows
      .filter((row) => row.model.endsWith('*') && names[0]!.startsWith(row.model.slice(0, -1).toLowerCase()))
      .sort((left, right) => right.model.length - left.model.length)[0]
  }
}

/** Dollars. */
export function costOf(price: Price, usage: Usage): number {
  const cached = Math.min(usage.cached ?? 0, usage.input ?? 0)
  const written = Math.min(usage.cacheWrite ?? 0, (usage.input ?? 0) - cached)
  const plain = (usage.input ?? 0) - cached - written
  const dollars =
    plain * price.input +
    cached * (price.cached ?? price.input) +
    written * (price.cacheWrite ?? price.input) +
    // What a provider counts only in its total is billed as output: it is the thinking of the model.
    Math.max(usage.output ?? 0, (usage.total ?? 0) - (usage.input ?? 0)) * price.output
  return dollars / MILLION
}
