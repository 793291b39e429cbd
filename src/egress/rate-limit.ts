/** A bucket of tokens: so many at once, and so many a second in the long run. */
export class RateLimit {
  readonly #most: number
  readonly #perSecond: number
  readonly #now: () => number
  #tokens: number
  #at: number

  constructor(most: number, perSecond: number, now: () => number = Date.now) {
    this.#most = most
    this.#perSecond = perSecond
    this.#now = now
    this.#tokens = most
    this.#at = now()
  }

  /** True: there was a token, and now it is gone. */
  take(): boolean {
    const now = this.#now()
    // A clock that was set back gives nothing and takes nothing.
    const seconds = Math.max(0, now - this.#at) / 1_000
    this.#at = now
    this.#tokens = Math.min(this.#most, this.#tokens + seconds * this.#perSecond)
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }
}
