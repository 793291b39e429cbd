/** How much of stdin may be sent: what the server granted less what was sent. */
export class StdinCredit {
  #bytes: number
  #closed: { readonly error: unknown } | undefined
  #wake: (() => void)[] = []

  constructor(bytes: number) {
    this.#bytes = bytes
  }

  grant(bytes: number): void {
    this.#bytes += bytes
    this.#wakeAll()
  }

  /** Whoever waits, or comes later, gets this error. */
  close(error: unknown): void {
    this.#closed ??= { error }
    this.#wakeAll()
  }

  /** Waits until something may be sent, and takes up to `most` bytes of it. */
  async take(most: number): Promise<number> {
    for (;;) {
      if (this.#closed !== undefined) throw this.#closed.error
      if (this.#bytes > 0) break
      await new Promise<void>((resolve) => this.#wake.push(resolve))
    }
    const taken = Math.min(most, this.#bytes)
    this.#bytes -= taken
    return taken
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }
}
