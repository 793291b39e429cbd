import { ignore } from '../../../lib/ignore.ts'
import type { Pipe } from '../pipe.ts'

/** Content waits from here on, so that streams take turns. */
const FULL_BYTES = 128 * 1024
/** Answers to what the other side sends, when it takes nothing: more is a flood. */
const MOST_BYTES = 4 * 1024 * 1024

/** What is to be written to one connection, in order: gathered while a write is under way. */
export class Outbox {
  readonly #pipe: Pipe
  readonly #onLost: () => void
  #waiting: Uint8Array[] = []
  #bytes = 0
  #isWriting = false
  #isEnding = false
  #isLost = false
  #wake: (() => void)[] = []

  /** `onLost`: nothing more can be written. */
  constructor(pipe: Pipe, onLost: () => void) {
    this.#pipe = pipe
    this.#onLost = onLost
  }

  get isFull(): boolean {
    return this.#bytes >= FULL_BYTES
  }

  /** False: it will not be written. */
  put(bytes: Uint8Array): boolean {
    if (this.#isLost || this.#isEnding) return false
    this.#bytes += bytes.length
    if (this.#bytes > MOST_BYTES) {
      this.#lose()
      return false
    }
    this.#waiting.push(bytes)
    if (this.#isWriting) return true
    this.#isWriting = true
    // Frames of one turn go together.
    queueMicrotask(() => void this.#flush())
    return true
  }

  /** Settles when something may have changed: there is room, or `wake` was called. */
  change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve))
  }

  wake(): void {
    for (const wake of this.#wake.splice(0)) wake()
  }

  /** What waits is written first. */
  end(): void {
    this.#isEnding = true
    if (!this.#isWriting) this.#pipe.end()
  }

  async #flush(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && !this.#isLost) {
        const pieces = this.#waiting
        this.#waiting = []
        const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
        if (!(await this.#pipe.write(bytes))) return this.#lose()
        this.#bytes -= bytes.length
        this.wake()
      }
      this.#isWriting = false
      if (this.#isEnding) this.#pipe.end()
    } catch (error) {
      ignore(error, 'a pipe does not throw')
      this.#lose()
    }
  }

  #lose(): void {
    if (this.#isLost) return
    this.#isLost = true
    this.#waiting = []
    this.#onLost()
    this.wake()
  }
}
