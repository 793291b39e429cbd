/** Remembers what was told recently, so that it is told once: bounded, the oldest is forgotten first. */
export class Recent {
  readonly #forMs: number
  readonly #most: number
  readonly #now: () => number
  readonly #told = new Map<string, number>()

  constructor(forMs: number, most: number, now: () => number = Date.now) {
    this.#forMs = forMs
    this.#most = most
    this.#now = now
  }

  /** True: it is new, and known from now on. */
  isNew(key: string): boolean {
    const now = this.#now()
    const at = this.#told.get(key)
    if (at !== undefined && now - at < this.#forMs) return false
    this.#told.delete(key)
    this.#told.set(key, now)
    if (this.#told.size > this.#most) this.#told.delete(this.#told.keys().next().value!)
    return true
  }
}
