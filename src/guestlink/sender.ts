import { type Channel, INITIAL_CREDIT_BYTES, MAX_CREDIT_BYTES, MAX_DATA_BYTES } from '../contract/guest-protocol.ts'
import { breach } from './errors.ts'

/** The content of one DATA frame; empty: an EOF frame. */
export interface Piece {
  readonly stream: number
  readonly channel: Channel
  readonly bytes: Uint8Array
}

interface Waiting {
  readonly channel: Channel
  readonly bytes: Uint8Array
  at: number
  /** True: all of it was sent. */
  readonly done: (sent: boolean) => void
}

/** The bytes that one stream sends, as its credit allows. */
export class Sender {
  /** 0 until the stream has its turn. */
  #stream = 0
  readonly #wake: (sender: Sender) => void
  #queue: Waiting[] = []
  #credit = INITIAL_CREDIT_BYTES
  #ended = false
  /** Whether it stands in the outbox's line; only the outbox writes it. */
  isQueued = false

  constructor(wake: (sender: Sender) => void) {
    this.#wake = wake
  }

  /** Its OPEN is on the way, so that its bytes may follow. */
  begin(stream: number): void {
    this.#stream = stream
    this.#wake(this)
  }

  get maySend(): boolean {
    const first = this.#queue[0]
    return first !== undefined && this.#stream !== 0 && (this.#credit > 0 || first.bytes.length === 0)
  }

  /**
   * Resolves with true when all bytes have been sent and may be changed again, with false when the stream ended before: what is sent
   * to somebody who no longer reads is no failure by itself. Never rejects.
   */
  send(channel: Channel, bytes: Uint8Array): Promise<boolean> {
    if (bytes.length === 0 || this.#ended) return Promise.resolve(!this.#ended)
    return new Promise((done) => this.#push({ channel, bytes, at: 0, done }))
  }

  /** After everything that was given to `send` before; resolves as `send` does. */
  sendEof(channel: Channel): Promise<boolean> {
    if (this.#ended) return Promise.resolve(false)
    return new Promise((done) => this.#push({ channel, bytes: new Uint8Array(0), at: 0, done }))
  }

  /** True while something given to it has not been sent. */
  get isBusy(): boolean {
    return this.#queue.length > 0
  }

  /** Something else used credit: an EVENT of the one who serves. */
  spend(bytes: number): void {
    this.#credit -= bytes
  }

  /** The other side has room for more. */
  grant(bytes: number): void {
    this.#credit += bytes
    if (this.#credit > MAX_CREDIT_BYTES) throw breach(`${this.#credit} bytes of credit`)
    this.#wake(this)
  }

  /** Nothing of it is sent any more. */
  end(): void {
    this.#ended = true
    const given = this.#queue
    this.#queue = []
    for (const { done } of given) done(false)
  }

  /** The next frame, taken off the queue and off the credit. */
  take(): Piece | undefined {
    const first = this.#queue[0]
    if (first === undefined || !this.maySend) return undefined
    const length = Math.min(MAX_DATA_BYTES, this.#credit, first.bytes.length - first.at)
    const bytes = first.bytes.subarray(first.at, first.at + length)
    first.at += length
    this.#credit -= length
    if (first.at === first.bytes.length) {
      this.#queue.shift()
      // Its caller goes on in a later microtask, after the bytes have been copied.
      first.done(true)
    }
    return { stream: this.#stream, channel: first.channel, bytes }
  }

  #push(waiting: Waiting): void {
    this.#queue.push(waiting)
    this.#wake(this)
  }
}
