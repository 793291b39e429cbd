import type { AppError } from '../contract/errors.ts'
import type { Channel } from '../contract/guest-protocol.ts'
import { ignore } from '../lib/ignore.ts'
import { ANSWER_LIMIT_MS } from './ask.ts'
import { ChunkQueue } from './chunk-queue.ts'
import type { GuestConnection } from './connection.ts'
import { DatagramCutter, withLength } from './datagrams.ts'
import { breach, canceled } from './errors.ts'
import type { Json } from './json.ts'
import type { GuestStream, StreamHandler } from './stream.ts'

/** Where something listens in the sandbox: a port of its loopback, or a unix socket. With `udp` each chunk is a datagram, read or written. */
export type PortTarget = { readonly port: number; readonly udp?: boolean } | { readonly path: string }

/** A connection to a program in the sandbox. */
export interface GuestPort {
  /** What comes from it, for one reader; leaving it early drops the rest. */
  readonly input: AsyncIterable<Uint8Array>
  /** Resolves when more may be written: false when it has closed. Never rejects. */
  write(bytes: Uint8Array): Promise<boolean>
  /** No more is written; what comes is still read. */
  end(): void
  /** Gives up both directions. */
  close(): void
  /** Resolves when both directions have ended, for whatever reason. Never rejects. */
  readonly closed: Promise<void>
}

/** Resolves when it is connected. Errors: `not_found` (nobody listens), `sandbox_lost`, `canceled`, `timed_out`. */
export function openPort(connection: GuestConnection, target: PortTarget, signal: AbortSignal | undefined): Promise<GuestPort> {
  return new Port(connection, target, signal).connected
}

class Port implements GuestPort, StreamHandler {
  readonly family = 'file'
  readonly connected: Promise<GuestPort>
  readonly closed: Promise<void>
  readonly input: ChunkQueue<Uint8Array>
  readonly #connected = Promise.withResolvers<GuestPort>()
  readonly #closed = Promise.withResolvers<void>()
  readonly #stream: GuestStream
  readonly #cutter: DatagramCutter | undefined

  constructor(connection: GuestConnection, target: PortTarget, signal: AbortSignal | undefined) {
    this.connected = this.#connected.promise
    this.connected.catch((error: unknown) => ignore(error, 'whoever waits for the connection is told'))
    this.closed = this.#closed.promise
    this.#cutter = 'udp' in target && target.udp === true ? new DatagramCutter() : undefined
    this.input = new ChunkQueue({ shape: (_channel, bytes) => bytes, taken: (cost) => this.#stream.consumed(cost) })
    this.#stream = connection.open({ op: 'connect', ...target }, this, { feature: 'connect', signal, onAbort: 'abandon' })
    this.#stream.within(ANSWER_LIMIT_MS, 'connect')
  }

  write(bytes: Uint8Array): Promise<boolean> {
    return this.#stream.send(this.#cutter === undefined ? bytes : withLength(bytes))
  }

  end(): void {
    this.#stream.sendEof()
  }

  close(): void {
    this.#stream.abandon(canceled())
  }

  event(body: Json, cost: number): void {
    if (body['event'] !== 'connected') throw breach('an unknown event of a connection')
    this.#stream.inTime()
    this.#stream.consumed(cost)
    this.#connected.resolve(this)
  }

  data(channel: Channel, bytes: Uint8Array): void {
    if (this.#cutter === undefined) return this.input.push(channel, bytes)
    this.#cutter.push(bytes)
    // As values, which are not put together as bytes would be. What of the credit is no datagram is given back at once.
    let kept = 0
    for (let datagram = this.#cutter.next(); datagram !== undefined; datagram = this.#cutter.next()) {
      this.input.pushValue(datagram.slice(), datagram.length)
      kept += datagram.length
    }
    this.#stream.consumed(Math.max(0, bytes.length - kept))
  }

  eof(): void {
    this.input.end()
  }

  ended(): void {
    this.#connected.resolve(this)
    this.input.end()
    this.#closed.resolve()
  }

  failed(error: AppError): void {
    this.#connected.reject(error)
    this.input.end(error)
    this.#closed.resolve()
  }
}
