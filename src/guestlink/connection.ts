import type { Socket } from 'bun'
import { AppError, isAppError } from '../contract/errors.ts'
import {
  type Channel,
  type Feature,
  FRAME,
  type FrameType,
  type Hello,
  MAX_PAYLOAD_BYTES,
  MAX_STREAMS,
} from '../contract/guest-protocol.ts'
import { breach, canceled, guestError, OTHER_VERSION, refusal } from './errors.ts'
import { decodeNumber, encodeFrame, FrameDecoder } from './frame.ts'
import { ownHello, readHello } from './hello.ts'
import { decodeJson, encodeJson, type Operation } from './json.ts'
import { Outbox } from './outbox.ts'
import { Pings } from './pings.ts'
import { Slots } from './slots.ts'
import { GuestStream, type StreamHandler } from './stream.ts'

/** From the start of `connect` to the other side's greeting. */
const HELLO_LIMIT_MS = 5_000
const PING_LIMIT_MS = 5_000
/** How long the other side may take to read what waits when this side leaves. */
const BYE_LIMIT_MS = 1_000
/** The last number of a stream that a frame can bear. */
const LAST_STREAM = 0xffff_ffff

export interface ConnectOptions {
  readonly role: 'daemon' | 'client'
  /** Of this program. */
  readonly version: string
  readonly signal?: AbortSignal
  /** @default 5000 */
  readonly helloLimitMs?: number
}

/** Why a connection ended. `left`: this side said BYE. Everything else is a loss, also when the other side said it. */
export interface Closed {
  readonly how: 'left' | 'lost'
  /** What every stream that was open failed with. */
  readonly error: AppError
}

export interface OpenRule {
  /** What the other side must have named in its greeting. */
  readonly feature: Feature
  readonly signal: AbortSignal | undefined
  /** What aborting `signal` does: see the methods of `GuestStream`. */
  readonly onAbort: 'cancel' | 'abandon'
}

/**
 * One connection that speaks the guest protocol, as the side that opens streams. Everything it reads is hostile: what breaks a rule
 * ends it. When it ends, everything that waits for it fails: with `sandbox_lost`, unless `bye` says otherwise.
 */
export class GuestConnection {
  /** Never rejects. */
  readonly closed: Promise<Closed>
  readonly #settleClosed: (closed: Closed) => void
  readonly #greeted = Promise.withResolvers<Hello>()
  readonly #socketClosed = Promise.withResolvers<void>()
  readonly #outbox = new Outbox((bytes) => this.#socket?.write(bytes) ?? -1)
  readonly #streams = new Map<number, GuestStream>()
  readonly #slots = new Slots(MAX_STREAMS)
  readonly #pings = new Pings()
  #socket: Socket | undefined
  #peer: Hello | undefined
  #nextStream = 1
  #isOpen = true

  /**
   * Connects to the unix socket at `socketPath` and exchanges greetings. Errors: `sandbox_lost` (nobody listens, or it is no guest),
   * `timed_out`, `canceled`.
   */
  static async connect(socketPath: string, options: ConnectOptions): Promise<GuestConnection> {
    const { signal, helloLimitMs = HELLO_LIMIT_MS } = options
    if (signal?.aborted === true) throw canceled()
    const connection = new GuestConnection()
    const abort = () => connection.#close('lost', canceled())
    const expire = () => connection.#close('lost', new AppError('timed_out', `the sandbox did not greet within ${helloLimitMs} ms`))
    const limit = setTimeout(expire, helloLimitMs)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      connection.#dial(socketPath, encodeJson(ownHello(options.role, options.version)))
      await connection.#greeted.promise
      return connection
    } finally {
      clearTimeout(limit)
      signal?.removeEventListener('abort', abort)
    }
  }

  private constructor() {
    const { promise, resolve } = Promise.withResolvers<Closed>()
    this.closed = promise
    this.#settleClosed = resolve
  }

  /** The other side's greeting. */
  get peer(): Hello {
    return this.#peer!
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /**
   * Begins an operation, or puts it in line while 256 are open. Whatever becomes of it goes to `handler`, also that it cannot begin:
   * `canceled`, `too_many_requests`, `invalid_argument` (larger than a frame), `not_available_yet` (the feature), or what the
   * connection ended with.
   */
  open(request: Operation, handler: StreamHandler, rule: OpenRule): GuestStream {
    const stream = new GuestStream(this.#outbox, handler)
    const payload = encodeJson(request)
    const problem = this.#problem(rule.feature, request.op, payload.length)
    if (problem !== undefined) stream.fail(() => problem)
    stream.follow(rule.signal, rule.onAbort)
    if (stream.isOver) return stream
    const leave = this.#slots.take(
      () => this.#begin(stream, payload),
      (error) => stream.fail(() => error),
    )
    stream.waits(leave)
    return stream
  }

  /** Resolves with the time to the answer, in ms. Errors: `timed_out`, `too_many_requests`, or what the connection ended with. */
  async ping(limitMs = PING_LIMIT_MS): Promise<number> {
    if (!this.#isOpen) throw (await this.closed).error
    return await this.#pings.ask((payload) => this.#outbox.control(encodeFrame(FRAME.ping, 0, payload)), limitMs)
  }

  /**
   * Leaves on purpose; resolves when the socket is closed. Streams that are open fail with `error`, while the commands behind them go
   * on. Safe to repeat; never rejects.
   */
  async bye(error = new AppError('sandbox_lost', 'the connection to the sandbox was closed by this side')): Promise<void> {
    if (this.#isOpen) {
      this.#settle('left', error)
      const limit = setTimeout(() => this.#hangUp(), BYE_LIMIT_MS)
      this.#outbox.control(encodeFrame(FRAME.bye, 0))
      this.#outbox.whenEmpty(() => this.#hangUp())
      await this.#socketClosed.promise
      clearTimeout(limit)
    }
    await this.#socketClosed.promise
  }

  #problem(feature: Feature, op: string, bytes: number): AppError | undefined {
    if (!this.peer.features.includes(feature)) {
      return new AppError('not_available_yet', `the helper in this sandbox does not know \`${feature}\``, { fix: OTHER_VERSION })
    }
    if (bytes <= MAX_PAYLOAD_BYTES) return undefined
    return new AppError('invalid_argument', `${op}: ${bytes} bytes of arguments; the limit is ${MAX_PAYLOAD_BYTES}`)
  }

  #dial(socketPath: string, hello: Uint8Array): void {
    const connecting = Bun.connect({
      unix: socketPath,
      socket: {
        binaryType: 'uint8array',
        open: (socket) => {
          this.#socket = socket
          if (!this.#isOpen) return this.#hangUp()
          this.#outbox.control(encodeFrame(FRAME.hello, 0, hello))
        },
        data: (_socket, chunk) => this.#received(chunk),
        drain: () => this.#outbox.drained(),
        close: () => {
          this.#socketClosed.resolve()
          this.#close('lost', new AppError('sandbox_lost', 'the connection to the sandbox ended'))
        },
      },
    })
    connecting.catch((cause: unknown) => {
      this.#socketClosed.resolve()
      this.#close('lost', new AppError('sandbox_lost', `no sandbox listens at ${socketPath}`, { cause }))
    })
  }

  #begin(stream: GuestStream, payload: Uint8Array): void {
    if (this.#nextStream > LAST_STREAM) return this.#close('lost', new AppError('sandbox_lost', 'a connection is used up; try again'))
    this.#streams.set(this.#nextStream, stream)
    stream.begin(this.#nextStream, payload)
    this.#nextStream += 2
  }

  #received(chunk: Uint8Array): void {
    try {
      this.#decoder.push(chunk)
    } catch (error) {
      // Nothing of a bug of ours may leave through the socket's callback, where nobody would settle what waits.
      const reason = isAppError(error) ? error : new AppError('internal', 'what a sandbox sent could not be read', { cause: error })
      this.#outbox.control(encodeFrame(FRAME.error, 0, encodeJson({ code: 'protocol_error', message: reason.message })))
      this.#close('lost', reason)
    }
  }

  readonly #decoder = new FrameDecoder(
    {
      frame: (type, stream, payload) => this.#frame(type, stream, payload),
      data: (stream, channel, bytes) => this.#known(stream)?.receiveData(channel, bytes),
    },
    { opens: false },
  )

  #frame(type: FrameType, number: number, payload: Uint8Array): void {
    if (!this.#isOpen) return
    if (number === 0) return this.#connectionFrame(type, payload)
    const stream = this.#known(number)
    if (stream === undefined) return
    switch (type) {
      case FRAME.eof:
        return stream.receiveEof(payload[0] as Channel)
      case FRAME.credit:
        return stream.sender.grant(decodeNumber(payload))
      case FRAME.event:
        return stream.receiveEvent(decodeJson(payload), payload.length)
      case FRAME.end:
        stream.receiveEnd(decodeJson(payload))
        return this.#forget(number)
      case FRAME.error: {
        const body = decodeJson(payload)
        stream.fail((family) => guestError(body, family))
        return this.#forget(number)
      }
      default:
        throw breach(`a frame of type ${type} on a stream`)
    }
  }

  #connectionFrame(type: FrameType, payload: Uint8Array): void {
    if (type === FRAME.error) return this.#close('lost', refusal(decodeJson(payload)))
    if (type === FRAME.hello) {
      if (this.#peer !== undefined) throw breach('a second greeting')
      this.#peer = readHello(decodeJson(payload))
      return this.#greeted.resolve(this.#peer)
    }
    if (this.#peer === undefined) throw breach('it did not greet first')
    if (type === FRAME.bye) this.#close('lost', new AppError('sandbox_lost', 'the sandbox left the connection'))
    else if (type === FRAME.pong) this.#pings.answered(payload)
    else if (!this.#outbox.pong(payload)) throw breach('ping after ping, whose answers it does not read')
  }

  /** The stream, or undefined when it has ended: then the frame crossed its END. */
  #known(number: number): GuestStream | undefined {
    const stream = this.#streams.get(number)
    if (stream === undefined && this.#isOpen && (number % 2 === 0 || number >= this.#nextStream)) {
      throw breach(`a frame for stream ${number}, which never existed`)
    }
    return stream
  }

  #forget(number: number): void {
    this.#streams.delete(number)
    this.#slots.give()
  }

  #close(how: Closed['how'], error: AppError): void {
    if (!this.#isOpen) return
    this.#settle(how, error)
    this.#outbox.flush()
    this.#hangUp()
  }

  /** Everything that waits for this connection fails. */
  #settle(how: Closed['how'], error: AppError): void {
    this.#isOpen = false
    this.#slots.close(error)
    this.#pings.close(error)
    for (const stream of this.#streams.values()) stream.fail(() => error)
    this.#streams.clear()
    this.#greeted.reject(error)
    this.#settleClosed({ how, error })
  }

  #hangUp(): void {
    this.#outbox.close()
    this.#socket?.end()
  }
}
