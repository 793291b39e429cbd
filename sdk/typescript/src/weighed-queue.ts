/** Items that arrive by themselves and are taken one by one. Whoever iterates takes from the same queue. */
export class WeighedQueue<T> implements AsyncIterable<T> {
  #items: { readonly item: T; readonly weight: number }[] = []
  /** Items before it have been taken. */
  #head = 0
  #weight = 0
  #ended = false
  #error: unknown
  #wake: (() => void)[] = []
  readonly #onWeight: (weight: number) => void

  /** `onWeight` hears the sum of the weights that wait, whenever it changes. */
  constructor(onWeight: (weight: number) => void) {
    this.#onWeight = onWeight
  }

  push(item: T, weight: number): void {
    if (this.#ended) return
    this.#items.push({ item, weight })
    this.#changed(weight)
  }

  /** No more will come. With an error, it is thrown once what has come is taken. */
  end(error?: unknown): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    this.#changed(0)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) {
      const next = this.#take()
      if (next !== undefined) yield next.item
      else if (this.#error !== undefined) throw this.#error
      else if (this.#ended) return
      else await new Promise<void>((resolve) => this.#wake.push(resolve))
    }
  }

  #take(): { readonly item: T } | undefined {
    const next = this.#items[this.#head]
    if (next === undefined) return undefined
    this.#head += 1
    if (this.#head === this.#items.length || this.#head > 1024) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    this.#weight -= next.weight
    this.#onWeight(this.#weight)
    return next
  }

  #changed(weight: number): void {
    this.#weight += weight
    if (weight > 0) this.#onWeight(this.#weight)
    for (const wake of this.#wake.splice(0)) wake()
  }
}
