import { AppError } from '../contract/errors.ts'
import { type Channel, CHANNEL_IN, CHANNEL_OUT, FRAME, INITIAL_CREDIT_BYTES } from '../contract/guest-protocol.ts'
import { ChunkQueue } from './chunk-queue.ts'
import { DatagramCutter, withLength } from './datagrams.ts'
import { breach } from './errors.ts'
import { encodeFrame, encodeNumber } from './frame.ts'
import { encodeJson, type Json } from './json.ts'
import type { Outbox } from './outbox.ts'
import { Sender } from './sender.ts'

/** What a program in the sandbox asks for. Hostile, but of the right types. */
export interface FlowOpen {
  readonly op: 'tcp' | 'udp'
  readonly dst: string
  /** 1 … 65,535. */
  readonly port: number
  readonly via: 'tun' | 'proxy'
  readonly tag?: string
}

/** How `connect` of a program fails. */
export type Refusal = 'refused' | 'denied' | 'unreachable' | 'timed_out'

/** Room that is given back at once is this much, in bytes. */
const CREDIT_LOT_BYTES = INITIAL_CREDIT_BYTES / 4
/** Names have 253 characters at most. */
const MOST_DST = 255
const MOST_TAG = 64
const MOST_MESSAGE = 500

/** Reads the payload of an OPEN. Undefined: it asks for something that a gateway does not have. */
export function readFlowOpen(body: Json): FlowOpen | undefined {
  const { op, dst, port, via = 'tun', tag } = body
  if (op !== 'tcp' && op !== 'udp') return undefined
  if (typeof dst !== 'string' || dst === '' || dst.length > MOST_DST) return undefined
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined
  if (via !== 'tun' && via !== 'proxy') return undefined
  if (tag !== undefined && (typeof tag !== 'string' || tag.length > MOST_TAG)) return undefined
  return { op, dst, port, via, ...(tag === undefined ? {} : { tag }) }
}

/** One stream of the egress connection, on the side that serves it. With `udp` each chunk, read or written, is one datagram. */
export class GuestFlow {
  readonly request: FlowOpen
  readonly closed: Promise<void>
  readonly #number: number
  readonly #outbox: Outbox
  readonly #forget: () => void
  readonly #sender: Sender
  readonly #queue: ChunkQueue<Uint8Array>
  readonly #reader: AsyncIterator<Uint8Array, undefined>
  readonly #cutter: DatagramCutter | undefined
  readonly #closed = Promise.withResolvers<void>()
  #front: Uint8Array | undefined
  #room = INITIAL_CREDIT_BYTES
  #toGiveBack = 0
  #accepted = false
  #inEnded = false
  #outEnded = false
  #over = false

  constructor(number: number, request: FlowOpen, outbox: Outbox, forget: () => void) {
    this.#number = number
    this.request = request
    this.#outbox = outbox
    this.#forget = forget
    this.closed = this.#closed.promise
    this.#sender = new Sender(outbox.wake)
    this.#sender.begin(number)
    this.#queue = new ChunkQueue({ shape: (_channel, bytes) => bytes, taken: (bytes) => this.#taken(bytes) })
    this.#reader = this.#queue[Symbol.asyncIterator]()
    this.#cutter = request.op === 'udp' ? new DatagramCutter() : undefined
  }

  /** The program's `connect` succeeds. */
  accept(): void {
    if (this.#over || this.#accepted) return
    this.#accepted = true
    const event = encodeJson({ event: 'connected' })
    this.#sender.spend(event.length)
    this.#control(FRAME.event, event)
  }

  /** The program's `connect` fails, or its connection is reset. Safe to repeat. */
  refuse(why: Refusal, message: string): void {
    if (this.#over) return
    this.#control(FRAME.error, encodeJson({ code: why, message: message.slice(0, MOST_MESSAGE) }))
    this.#finish(new AppError('canceled', message))
  }

  /** The next bytes; undefined: the program sends no more. Throws `canceled` or `sandbox_lost` when the flow is gone. */
  async read(): Promise<Uint8Array | undefined> {
    const front = this.#front
    if (front !== undefined) {
      this.#front = undefined
      return front
    }
    if (this.#cutter === undefined) return (await this.#reader.next()).value
    for (;;) {
      const datagram = this.#cutter.next()
      if (datagram !== undefined) return datagram
      const chunk = (await this.#reader.next()).value
      if (chunk === undefined) return undefined
      this.#cutter.push(chunk)
    }
  }

  /** Puts back what was read, to be read first. */
  unread(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#front = this.#front === undefined ? bytes : Buffer.concat([bytes, this.#front])
  }

  /** Resolves when more may be written: false when the flow is gone. Never rejects. */
  write(bytes: Uint8Array): Promise<boolean> {
    return this.#sender.send(CHANNEL_OUT, this.#cutter === undefined ? bytes : withLength(bytes))
  }

  /** No more is written. */
  end(): void {
    if (this.#over || this.#outEnded) return
    this.#outEnded = true
    void this.#sender.sendEof(CHANNEL_OUT).then(() => this.#endWhenDone())
  }

  /** The following is for the connection. */
  receiveData(channel: Channel, bytes: Uint8Array): void {
    if (channel !== CHANNEL_IN) throw breach(`content on channel ${channel} of a flow`)
    if (this.#inEnded) throw breach('content after the end of a flow')
    this.#room -= bytes.length
    if (this.#room < 0) throw breach('more bytes than the credit of a flow')
    this.#queue.push(channel, bytes)
  }

  receiveEof(channel: Channel): void {
    if (channel !== CHANNEL_IN || this.#inEnded) throw breach('the end of a channel that a flow does not have')
    this.#inEnded = true
    this.#queue.end()
    this.#endWhenDone()
  }

  grant(bytes: number): void {
    this.#sender.grant(bytes)
  }

  /** The program reset its connection. */
  cancel(): void {
    if (this.#over) return
    this.#control(FRAME.end, encodeJson({}))
    this.#finish(new AppError('canceled', 'the program reset its connection'))
  }

  /** The connection is gone. */
  lose(error: AppError): void {
    if (!this.#over) this.#finish(error)
  }

  #endWhenDone(): void {
    if (this.#over || !this.#inEnded || !this.#outEnded || this.#sender.isBusy) return
    this.#control(FRAME.end, encodeJson({}))
    this.#finish()
  }

  #finish(error?: AppError): void {
    this.#over = true
    this.#queue.end(error)
    this.#sender.end()
    this.#forget()
    this.#closed.resolve()
  }

  #taken(bytes: number): void {
    this.#toGiveBack += bytes
    if (this.#toGiveBack < CREDIT_LOT_BYTES || this.#over) return
    this.#room += this.#toGiveBack
    this.#control(FRAME.credit, encodeNumber(this.#toGiveBack))
    this.#toGiveBack = 0
  }

  #control(type: (typeof FRAME)[keyof typeof FRAME], payload: Uint8Array): void {
    this.#outbox.control(encodeFrame(type, this.#number, payload))
  }
}
