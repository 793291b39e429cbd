import { AppError } from '../contract/errors.ts'
import { type Channel, CHANNEL_IN, CREDIT_BATCH_BYTES, FRAME, type FrameType, INITIAL_CREDIT_BYTES } from '../contract/guest-protocol.ts'
import { breach, canceled, type Family } from './errors.ts'
import { encodeFrame, encodeNumber } from './frame.ts'
import { encodeJson, type Json } from './json.ts'
import type { Outbox } from './outbox.ts'
import { Sender } from './sender.ts'

/**
 * What an operation does with what comes. Called while received bytes are read: quick, and throwing only the error of a breach, which
 * ends the connection. `ended` or `failed` comes once, perhaps before the stream is in its opener's hands, and nothing after it.
 */
export interface StreamHandler {
  /** Which meaning error codes have. */
  readonly family: Family
  /** `cost` is to be given back with `consumed`. */
  readonly event: (body: Json, cost: number) => void
  /** `bytes` is a view of what was received; its length is to be given back with `consumed`. */
  readonly data: (channel: Channel, bytes: Uint8Array) => void
  /** No more comes on that channel; for operations where that is not also their end. */
  readonly eof?: (channel: Channel) => void
  readonly ended: (body: Json) => void
  readonly failed: (error: AppError) => void
}

/** Given back earlier than the protocol demands, so that a sender at full speed never waits for it. */
const CREDIT_LOT_BYTES = CREDIT_BATCH_BYTES / 2

/** One operation on a connection, from OPEN to END or ERROR. */
export class GuestStream {
  readonly sender: Sender
  readonly #outbox: Outbox
  /** 0 while it waits for its turn. */
  #number = 0
  /** Undefined: nobody is interested any more. */
  #handler: StreamHandler | undefined
  /** What the other side may still send. */
  #room = INITIAL_CREDIT_BYTES
  #toGiveBack = 0
  /** One bit for each channel that has ended. */
  #eof = 0
  #isOver = false
  #isCanceled = false
  /** Events of before its turn. */
  readonly #early: object[] = []
  #limit: Timer | undefined
  #unfollow: (() => void) | undefined
  #leaveLine: (() => void) | undefined

  constructor(outbox: Outbox, handler: StreamHandler) {
    this.sender = new Sender(outbox.wake)
    this.#outbox = outbox
    this.#handler = handler
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get isCanceled(): boolean {
    return this.#isCanceled
  }

  /** Resolves with false when the stream ended before everything was sent. Never rejects. */
  send(bytes: Uint8Array): Promise<boolean> {
    return this.sender.send(CHANNEL_IN, bytes)
  }

  sendEof(): void {
    void this.sender.sendEof(CHANNEL_IN)
  }

  /** Passes what waits to be sent: a signal is for a command that does not read. */
  event(body: object): void {
    if (this.#isOver || this.#isCanceled) return
    if (this.#number === 0) this.#early.push(body)
    else this.#control(FRAME.event, encodeJson(body))
  }

  /** The reader has taken so many bytes. */
  consumed(bytes: number): void {
    this.#toGiveBack += bytes
    // To a stream that was canceled too: what is left of its output comes before its end.
    if (this.#toGiveBack < CREDIT_LOT_BYTES || this.#isOver) return
    this.#room += this.#toGiveBack
    this.#control(FRAME.credit, encodeNumber(this.#toGiveBack))
    this.#toGiveBack = 0
  }

  /** Tells the other side that nobody is interested; its answer still comes to the handler. */
  cancel(): void {
    if (this.#isOver || this.#isCanceled) return
    if (this.#number === 0) return this.fail(canceled)
    this.#isCanceled = true
    this.sender.end()
    this.#control(FRAME.cancel)
  }

  /** Like `cancel`, but it fails at once with `error`, and what still comes is dropped. */
  abandon(error: AppError): void {
    if (this.#isOver) return
    if (this.#number === 0) return this.fail(() => error)
    const handler = this.#handler
    this.#forget()
    this.cancel()
    handler?.failed(error)
  }

  /** Does `stop` when `signal` is aborted. */
  follow(signal: AbortSignal | undefined, stop: 'cancel' | 'abandon'): void {
    if (signal === undefined) return
    const listener = () => (stop === 'cancel' ? this.cancel() : this.abandon(canceled()))
    if (signal.aborted) return listener()
    signal.addEventListener('abort', listener, { once: true })
    this.#unfollow = () => signal.removeEventListener('abort', listener)
  }

  /** Abandons the stream with `timed_out`, unless `inTime` or its end comes before. `what` takes too long. */
  within(limitMs: number, what: string): void {
    if (this.#isOver) return
    this.#limit = setTimeout(() => this.abandon(new AppError('timed_out', `${what}: no answer within ${limitMs} ms`)), limitMs)
  }

  inTime(): void {
    clearTimeout(this.#limit)
    this.#limit = undefined
  }

  /** The following is for the connection. It waits for its turn; `leave` gives that up. */
  waits(leave: () => void): void {
    this.#leaveLine = leave
  }

  begin(number: number, open: Uint8Array): void {
    this.#number = number
    this.#control(FRAME.open, open)
    for (const body of this.#early.splice(0)) this.event(body)
    this.sender.begin(number)
  }

  receiveData(channel: Channel, bytes: Uint8Array): void {
    if (channel === CHANNEL_IN) throw breach('content on channel 0')
    if ((this.#eof & (1 << channel)) !== 0) throw breach(`content after the end of channel ${channel}`)
    this.#use(bytes.length)
    this.#handler?.data(channel, bytes)
  }

  receiveEof(channel: Channel): void {
    if (channel === CHANNEL_IN) throw breach('the end of channel 0')
    if ((this.#eof & (1 << channel)) !== 0) throw breach(`the end of channel ${channel}, twice`)
    this.#eof |= 1 << channel
    this.#handler?.eof?.(channel)
  }

  receiveEvent(body: Json, bytes: number): void {
    this.#use(bytes)
    this.#handler?.event(body, bytes)
  }

  receiveEnd(body: Json): void {
    // Before it is over: a result that makes no sense ends the connection, which must still be able to fail it.
    this.#handler?.ended(body)
    this.#finish()
  }

  /** ERROR came, or it cannot go on. */
  fail(error: (family: Family) => AppError): void {
    if (this.#isOver) return
    const handler = this.#handler
    this.#finish()
    handler?.failed(error(handler.family))
  }

  #use(bytes: number): void {
    this.#room -= bytes
    if (this.#room < 0) throw breach(`${-this.#room} bytes more than the credit of a stream`)
  }

  #finish(): void {
    this.#isOver = true
    this.#forget()
    this.#leaveLine?.()
    this.sender.end()
  }

  #forget(): void {
    this.inTime()
    this.#unfollow?.()
    this.#handler = undefined
  }

  #control(type: FrameType, payload?: Uint8Array): void {
    this.#outbox.control(encodeFrame(type, this.#number, payload))
  }
}
