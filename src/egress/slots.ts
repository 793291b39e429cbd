/** So many at once; the others wait in line, and the line is bounded too. */
export class Slots {
  #free: number
  readonly #mostWaiting: number
  #waiting: (() => void)[] = []

  constructor(most: number, mostWaiting: number) {
    this.#free = most
    this.#mostWaiting = mostWaiting
  }

  /** Undefined at once when the line is full; otherwise what `work` gives. */
  async use<T>(work: () => Promise<T>): Promise<T | undefined> {
    if (this.#free > 0) this.#free--
    else {
      if (this.#waiting.length >= this.#mostWaiting) return undefined
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}
