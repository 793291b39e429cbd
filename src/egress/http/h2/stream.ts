import { ByteQueue } from '../../byte-queue.ts'
import { CutOff } from '../byte-reader.ts'
import type { Headers } from '../head.ts'
import { CODE } from './frames.ts'

/** What a stream needs of its connection. */
export interface StreamHost {
  /** Bytes that may be sent on any stream now. */
  readonly room: number
  /** Settles when there may be more room, or the connection is gone. */
  change(): Promise<void>
  sendHeaders(stream: H2Stream, headers: Headers, isEnd: boolean): void
  sendData(stream: H2Stream, bytes: Uint8Array, isEnd: boolean): void
  sendReset(stream: H2Stream, code: number): void
  /** The reader has taken so much. */
  taken(stream: H2Stream, bytes: number): void
}

/** A stream was reset, or its connection is gone. */
export class StreamLost extends CutOff {
  /** True: the other side has not looked at the request, which can be sent elsewhere. */
  readonly isUntouched: boolean
  constructor(message: string, isUntouched = false) {
    super(message)
    this.isUntouched = isUntouched
  }
}

export interface StreamHead {
  readonly headers: Headers
  readonly isEnd: boolean
}

/** One request and its answer on a connection of HTTP/2. */
export class H2Stream {
  readonly id: number
  /** Head of the answer, for who asked. */
  readonly head: Promise<StreamHead>
  /** What came after the content. */
  trailers: Headers = []
  /** Called once when the stream is lost before both sides have ended. */
  onLost: (() => void) | undefined
  sendWindow: number
  /** Room that the other side has. */
  receiveWindow: number
  /** Taken by the reader, and not yet given back. */
  unacknowledged = 0
  localEnded = false
  remoteEnded = false
  hasHead = false
  readonly #host: StreamHost
  readonly #queue = new ByteQueue()
  readonly #head = Promise.withResolvers<StreamHead>()
  #lost: StreamLost | undefined

  constructor(id: number, host: StreamHost, sendWindow: number, receiveWindow: number) {
    this.id = id
    this.#host = host
    this.sendWindow = sendWindow
    this.receiveWindow = receiveWindow
    this.head = this.#head.promise
    this.head.catch(() => undefined)
  }

  get isLost(): boolean {
    return this.#lost !== undefined
  }

  /** The next content; undefined: that was all. Throws StreamLost. */
  async read(): Promise<Uint8Array | undefined> {
    const bytes = await this.#queue.take()
    if (bytes !== undefined) this.#host.taken(this, bytes.length)
    return bytes
  }

  headers(headers: Headers, isEnd: boolean): void {
    if (this.isLost || this.localEnded) return
    this.#host.sendHeaders(this, headers, isEnd)
  }

  /** False: the stream is gone. */
  async write(bytes: Uint8Array): Promise<boolean> {
    for (let left = bytes; left.length > 0;) {
      if (this.isLost || this.localEnded) return false
      const size = Math.min(left.length, this.sendWindow, this.#host.room)
      if (size <= 0) {
        await this.#host.change()
        continue
      }
      this.#host.sendData(this, left.subarray(0, size), false)
      left = left.subarray(size)
    }
    return !this.isLost
  }

  end(): void {
    if (!this.isLost && !this.localEnded) this.#host.sendData(this, new Uint8Array(0), true)
  }

  /** Gives the stream up. Safe to repeat, and when it has ended. */
  reset(code: number = CODE.cancel): void {
    if (this.isLost || (this.localEnded && this.remoteEnded)) return
    this.#host.sendReset(this, code)
    this.lose(new StreamLost('the stream was given up'))
  }

  /** Nobody will read the rest: its room is for others. */
  discard(): void {
    const { length } = this.#queue
    this.#queue.fail(new StreamLost('the stream was given up'))
    if (length > 0) this.#host.taken(this, length)
  }

  /** For the connection: what came. */
  takeHead(head: StreamHead): void {
    this.hasHead = true
    this.#head.resolve(head)
  }

  takeData(bytes: Uint8Array): void {
    this.#queue.push(bytes)
  }

  takeEnd(): void {
    this.remoteEnded = true
    this.#queue.end()
  }

  /** What came before is still read. */
  lose(error: StreamLost): void {
    if (this.#lost !== undefined) return
    this.#lost = error
    this.#head.reject(error)
    this.#queue.end(error)
    const { onLost } = this
    this.onLost = undefined
    onLost?.()
  }
}
