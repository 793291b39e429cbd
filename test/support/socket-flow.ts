import type { Socket } from 'bun'
import { ByteQueue } from '../../src/egress/byte-queue.ts'
import type { Flow, FlowRefusal, FlowRequest } from '../../src/egress/types.ts'

const PAUSE_BYTES = 256 * 1024

/** A flow whose program is at the other end of a real socket. */
export class SocketFlow implements Flow {
  readonly request: FlowRequest
  readonly closed: Promise<void>
  refused: { readonly why: FlowRefusal; readonly message: string } | undefined
  readonly #closed = Promise.withResolvers<void>()
  readonly #queue = new ByteQueue()
  readonly #socket: Socket<SocketFlow>
  #front: Uint8Array | undefined
  #unsent: { bytes: Uint8Array; done: (sent: boolean) => void }[] = []
  #isPaused = false
  #isGone = false
  #ending = false
  #otherEnded = false

  constructor(socket: Socket<SocketFlow>, request: FlowRequest) {
    this.request = request
    this.closed = this.#closed.promise
    this.#socket = socket
  }

  accept(): void {}

  refuse(why: FlowRefusal, message: string): void {
    if (this.#isGone) return
    this.refused = { why, message }
    this.#socket.terminate()
    this.onClose()
  }

  async read(): Promise<Uint8Array | undefined> {
    const front = this.#front
    if (front !== undefined) {
      this.#front = undefined
      return front
    }
    const chunk = await this.#queue.take()
    if (this.#isPaused && this.#queue.length < PAUSE_BYTES / 2) {
      this.#isPaused = false
      this.#socket.resume()
    }
    return chunk
  }

  unread(bytes: Uint8Array): void {
    this.#front = this.#front === undefined ? bytes : Buffer.concat([bytes, this.#front])
  }

  write(bytes: Uint8Array): Promise<boolean> {
    if (this.#isGone || this.#ending) return Promise.resolve(false)
    const sent = this.#unsent.length > 0 ? 0 : Math.max(0, this.#socket.write(bytes))
    if (sent === bytes.length) return Promise.resolve(true)
    return new Promise((done) => this.#unsent.push({ bytes: bytes.subarray(sent), done }))
  }

  end(): void {
    if (this.#isGone || this.#ending) return
    this.#ending = true
    if (this.#unsent.length === 0) this.#shutdown()
  }

  onData(bytes: Uint8Array): void {
    this.#queue.push(bytes)
    if (this.#queue.length < PAUSE_BYTES || this.#isPaused) return
    this.#isPaused = true
    this.#socket.pause()
  }

  onDrain(): void {
    for (let first = this.#unsent[0]; first !== undefined; first = this.#unsent[0]) {
      const sent = Math.max(0, this.#socket.write(first.bytes))
      first.bytes = first.bytes.subarray(sent)
      if (first.bytes.length > 0) return
      this.#unsent.shift()
      first.done(true)
    }
    if (this.#ending) this.#shutdown()
  }

  onEnd(): void {
    this.#otherEnded = true
    this.#queue.end()
    if (this.#ending && this.#unsent.length === 0) this.#socket.end()
  }

  onClose(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#queue.end(this.#otherEnded ? undefined : new TypeError('the flow is gone'))
    for (const { done } of this.#unsent.splice(0)) done(false)
    this.#closed.resolve()
  }

  #shutdown(): void {
    if (this.#otherEnded) this.#socket.end()
    else this.#socket.shutdown()
  }
}

/** A port of this machine at which every connection becomes a flow. `at`: a path of a socket instead. */
export function flowDoor(request: FlowRequest, serve: (flow: SocketFlow) => void): { readonly port: number; close(): void } {
  const listener = Bun.listen<SocketFlow>({
    hostname: '127.0.0.1',
    port: 0,
    allowHalfOpen: true,
    socket: {
      binaryType: 'uint8array',
      open: (socket) => {
        socket.setNoDelay(true)
        socket.data = new SocketFlow(socket, request)
        serve(socket.data)
      },
      data: (socket, bytes) => socket.data.onData(bytes as Uint8Array),
      drain: (socket) => socket.data.onDrain(),
      end: (socket) => socket.data.onEnd(),
      close: (socket) => socket.data.onClose(),
      error: (socket) => socket.data.onClose(),
    },
  })
  return { port: listener.port, close: () => listener.stop(true) }
}
