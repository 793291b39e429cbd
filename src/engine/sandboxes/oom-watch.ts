/**
 * Tells whether a command that was killed was killed for memory. The kernel only counts such kills for a sandbox as a whole, and asking it
 * costs more than starting a command; so the count is read at the first command after a start, and again only when one was killed.
 */
export class OomWatch {
  readonly #seen = new Map<string, number>()

  /** Call before a command starts; `key` names one start of one sandbox. */
  begin(key: string, count: () => number | undefined): void {
    if (!this.#seen.has(key)) this.#seen.set(key, count() ?? 0)
  }

  /** Call when a command was killed. */
  wasForMemory(key: string, count: () => number | undefined): boolean {
    const before = this.#seen.get(key)
    const now = count()
    if (before === undefined || now === undefined || now <= before) return false
    this.#seen.set(key, now)
    return true
  }

  /** Call when the sandbox has ended. */
  forget(key: string): void {
    this.#seen.delete(key)
  }
}
