import type { Upstream } from './types.ts'

/** An upstream whose next chunk can be waited for without taking it: who reads it next gets it. */
export class Peekable implements Upstream {
  readonly #inner: Upstream
  #next: Promise<Uint8Array | undefined> | undefined

  constructor(inner: Upstream) {
    this.#inner = inner
  }

  get address(): string {
    return this.#inner.address
  }

  get closed(): Promise<void> {
    return this.#inner.closed
  }

  /** Settles when there is something to read, or never will be. Never rejects. */
  async peek(): Promise<void> {
    await this.look()
  }

  /** What is read next; undefined: nothing will be. Never rejects. */
  async look(): Promise<Uint8Array | undefined> {
    this.#next ??= this.#inner.read()
    return await this.#next.then(
      (bytes) => bytes,
      () => undefined,
    )
  }

  read(): Promise<Uint8Array | undefined> {
    const next = this.#next
    if (next === undefined) return this.#inner.read()
    this.#next = undefined
    return next
  }

  write(bytes: Uint8Array): Promise<boolean> {
    return this.#inner.write(bytes)
  }

  end(): void {
    this.#inner.end()
  }

  destroy(): void {
    this.#inner.destroy()
  }
}
