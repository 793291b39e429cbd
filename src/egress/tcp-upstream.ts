import type { Socket } from 'bun'
import { ByteQueue } from './byte-queue.ts'
import { DialError, type Upstream } from './types.ts'

/** What waits for the reader before the socket is paused, and from where on it goes on, in bytes. */
const PAUSE_BYTES = 512 * 1024
const RESUME_BYTES = 128 * 1024
/** After so long without a packet the kernel asks whether the other side still exists. */
const KEEP_ALIVE_MS = 60_000
const SENT = Promise.resolve(true)
const GONE = Promise.resolve(false)

/** A connection that `dialTcp` is about to make: the handlers exist before the socket does. */
export class TcpUpstream implements Upstream {
  readonly address: string
  readonly closed: Promise<void>
  readonly #closed = Promise.withResolvers<void>()
  readonly #queue = new ByteQueue()
  #socket: Socket | undefined
  #unsent: { bytes: Uint8Array; readonly done: (sent: boolean) => void }[] = []
  #isPaused = false
  #isGone = false
  #ending = false
  #otherEnded = false

  constructor(address: string) {
    this.address = address
    this.closed = this.#closed.promise
  }

  /** Never throw: Bun ends the process for what a handler throws. */
  readonly handlers = {
    binaryType: 'uint8array' as const,
    open: (socket: Socket) => {
      socket.setNoDelay(true)
      socket.setKeepAlive(true, KEEP_ALIVE_MS)
      this.#socket = socket
      if (this.#isGone) socket.terminate()
    },
    data: (socket: Socket, chunk: Uint8Array) => {
      if (this.#isGone) return
      this.#queue.push(chunk)
      if (this.#queue.length < PAUSE_BYTES || this.#isPaused) return
      this.#isPaused = true
      socket.pause()
    },
    drain: () => this.#flush(),
    end: () => {
      this.#otherEnded = true
      this.#queue.end()
    },
    error: (_socket: Socket, cause: Error) => this.#lose(cause.message),
    close: (_socket: Socket, cause?: Error) => this.#finish(cause),
    connectError: () => this.destroy(),
  }

  async read(): Promise<Uint8Array | undefined> {
    const chunk = await this.#queue.take()
    if (this.#isPaused && this.#queue.length <= RESUME_BYTES) {
      this.#isPaused = false
      this.#socket?.resume()
    }
    return chunk
  }

  write(bytes: Uint8Array): Promise<boolean> {
    if (this.#isGone || this.#ending || this.#socket === undefined) return GONE
    if (bytes.length === 0) return SENT
    if (this.#unsent.length > 0) return this.#wait(bytes)
    const sent = Math.max(0, this.#socket.write(bytes))
    return sent === bytes.length ? SENT : this.#wait(bytes.subarray(sent))
  }

  end(): void {
    if (this.#isGone || this.#ending) return
    this.#ending = true
    // A FIN, and not Bun's `end`, which would close both directions.
    if (this.#unsent.length === 0) this.#socket?.shutdown()
  }

  destroy(): void {
    if (this.#isGone) return
    const isDone = this.#ending && this.#otherEnded && this.#unsent.length === 0
    this.#lose('the connection was given up')
    // A reset would take back what the kernel has not sent yet.
    if (isDone) this.#socket?.end()
    else this.#socket?.terminate()
  }

  #wait(bytes: Uint8Array): Promise<boolean> {
    return new Promise((done) => this.#unsent.push({ bytes, done }))
  }

  #flush(): void {
    for (let first = this.#unsent[0]; first !== undefined; first = this.#unsent[0]) {
      const sent = Math.max(0, this.#socket?.write(first.bytes) ?? 0)
      if (sent < first.bytes.length) {
        first.bytes = first.bytes.subarray(sent)
        return
      }
      this.#unsent.shift()
      first.done(true)
    }
    if (this.#ending) this.#socket?.shutdown()
  }

  #lose(message: string): void {
    if (this.#isGone) return
    this.#queue.fail(new DialError('refused', message))
    this.#settle()
  }

  /** A close without an error may come instead of the other side's FIN: what was received before is still read. */
  #finish(cause: Error | undefined): void {
    if (cause === undefined) this.#queue.end()
    else this.#queue.fail(new DialError('refused', 'the other side reset the connection'))
    this.#settle()
  }

  #settle(): void {
    if (this.#isGone) return
    this.#isGone = true
    for (const { done } of this.#unsent.splice(0)) done(false)
    this.#closed.resolve()
  }
}
