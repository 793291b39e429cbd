import type { TargetCount } from '../../contract/network-reports.ts'

/** Counts by target, up to a limit of targets: names come from sandboxes, which can make any number of them. */
export class TargetCounts {
  readonly #counts = new Map<string, { readonly facts: Omit<TargetCount, 'count'>; count: number }>()
  readonly #most: number
  incomplete = false

  constructor(most: number) {
    this.#most = most
  }

  add(facts: Omit<TargetCount, 'count'>): void {
    const there = this.#counts.get(facts.target)
    if (there !== undefined) there.count++
    else if (this.#counts.size >= this.#most) this.incomplete = true
    else this.#counts.set(facts.target, { facts, count: 1 })
  }

  /** The most frequent first, then by name. */
  list(): readonly TargetCount[] {
    return [...this.#counts.values()]
      .map(({ facts, count }) => ({ ...facts, count }))
      .toSorted((a, b) => b.count - a.count || (a.target < b.target ? -1 : 1))
  }
}
