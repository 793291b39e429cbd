import type { udp } from 'bun'
import { DialError, type Upstream } from './types.ts'

/** Datagrams that wait for a slow reader; what comes on top is dropped, as a network would. */
const MOST_WAITING = 256
const MOST_WAITING_BYTES = 1024 * 1024
const SENT = Promise.resolve(true)
const GONE = Promise.resolve(false)

/** Datagrams to and from one address; each chunk is one. */
export class UdpUpstream implements Upstream {
  readonly address: string
  readonly closed: Promise<void>
  readonly #closed = Promise.withResolvers<void>()
  #socket: udp.ConnectedSocket<'uint8array'> | undefined
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #reader: { readonly resolve: (datagram: Uint8Array | undefined) => void; readonly reject: (error: Error) => void } | undefined
  #isGone = false
  #error: Error | undefined

  constructor(address: string) {
    this.address = address
    this.closed = this.#closed.promise
  }

  readonly handlers = {
    data: (_socket: unknown, datagram: Uint8Array) => this.#received(datagram),
    // Bun hands over the error alone, whatever its types say.
    error: () => this.#lose(new DialError('refused', 'nobody listens there')),
  }

  opened(socket: udp.ConnectedSocket<'uint8array'>): void {
    this.#socket = socket
    if (this.#isGone) socket.close()
  }

  read(): Promise<Uint8Array | undefined> {
    const next = this.#waiting.shift()
    if (next !== undefined) {
      this.#waitingBytes -= next.length
      return Promise.resolve(next)
    }
    if (this.#error !== undefined) return Promise.reject(this.#error)
    if (this.#isGone) return Promise.resolve(undefined)
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject }
    })
  }

  /** A datagram that cannot be sent now is lost, as on any network. */
  write(datagram: Uint8Array): Promise<boolean> {
    if (this.#isGone || this.#socket === undefined) return GONE
    try {
      this.#socket.send(datagram)
    } catch (cause) {
      // Bun throws what the kernel says: too long, or what an earlier datagram met.
      if (!(cause instanceof Error && 'code' in cause && cause.code === 'EMSGSIZE')) {
        this.#lose(new DialError('refused', 'the datagram could not be sent'))
        return GONE
      }
    }
    return SENT
  }

  end(): void {
    this.destroy()
  }

  destroy(): void {
    this.#lose(undefined)
  }

  #received(datagram: Uint8Array): void {
    if (this.#isGone) return
    const reader = this.#reader
    if (reader !== undefined) {
      this.#reader = undefined
      reader.resolve(datagram)
      return
    }
    if (this.#waiting.length >= MOST_WAITING || this.#waitingBytes + datagram.length > MOST_WAITING_BYTES) return
    this.#waiting.push(datagram)
    this.#waitingBytes += datagram.length
  }

  #lose(error: Error | undefined): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#error = error
    this.#socket?.close()
    const reader = this.#reader
    this.#reader = undefined
    if (error === undefined) reader?.resolve(undefined)
    else reader?.reject(error)
    this.#closed.resolve()
  }
}
