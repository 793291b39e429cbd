/** Items that pass from writers to one reader, one at a time: whoever adds waits until the item was taken. */
export class Handover<T> implements AsyncIterable<T> {
  #items: T[] = []
  #ended = false
  #wakeReader = (): void => undefined
  #wakeWriters: (() => void)[] = []

  /** Resolves when the item was taken, or when nobody reads any more. */
  async add(item: T): Promise<void> {
    if (this.#ended) return
    this.#items.push(item)
    this.#wakeReader()
    await new Promise<void>((resolve) => this.#wakeWriters.push(resolve))
  }

  /** No more will be added. */
  end(): void {
    this.#ended = true
    this.#wakeReader()
    this.#release()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    try {
      for (;;) {
        const item = this.#items.shift()
        if (item !== undefined) {
          this.#wakeWriters.shift()?.()
          yield item
        } else if (this.#ended) return
        else await new Promise<void>((resolve) => (this.#wakeReader = resolve))
      }
    } finally {
      this.end()
    }
  }

  #release(): void {
    for (const wake of this.#wakeWriters.splice(0)) wake()
  }
}
