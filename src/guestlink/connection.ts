import type { Socket } from 'bun'
import { AppError, isAppError } from '../contract/errors.ts'
import { type Feature, FRAME, type FrameType, type GuestErrorCode, type Hello, MAX_PAYLOAD_BYTES } from '../contract/guest-protocol.ts'
import { breach, canceled, OTHER_VERSION, refusal } from './errors.ts'
import { encodeFrame, FrameDecoder } from './frame.ts'
import { isTooOld, ownHello, readHello } from './hello.ts'
import { decodeJson, encodeJson, type Operation } from './json.ts'
import { Outbox } from './outbox.ts'
import { Pings } from './pings.ts'
import { GuestStream, type StreamHandler } from './stream.ts'
import { StreamTable } from './stream-table.ts'

/** From the start of `connect` to the other side's greeting. */
const HELLO_LIMIT_MS = 5_000
const PING_LIMIT_MS = 5_000
/** How long the other side may take to read what waits when this side leaves. */
const BYE_LIMIT_MS = 1_000

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
  readonly #streams = new StreamTable(() => this.#giveUp(new AppError('sandbox_lost', 'a connection is used up; try again')))
  readonly #pings = new Pings()
  #socket: Socket | undefined
  #peer: Hello | undefined
  #isOpen = true

  /**
   * Connects to the unix socket at `place`, or takes over our end of a socket pair, and exchanges greetings. Errors: `sandbox_lost` (nobody listens, or it is no guest),
   * `timed_out`, `canceled`.
   */
  static async connect(place: string | { readonly fd: number }, options: ConnectOptions): Promise<GuestConnection> {
    const { signal, helloLimitMs = HELLO_LIMIT_MS } = options
    if (signal?.aborted === true) throw canceled()
    const connection = new GuestConnection()
    const abort = () => connection.#giveUp(canceled())
    const expire = () => connection.#giveUp(new AppError('timed_out', `the sandbox did not greet within ${helloLimitMs} ms`))
    const limit = setTimeout(expire, helloLimitMs)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      connection.#dial(place, encodeJson(ownHello(options.role, options.version)))
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
    if (!stream.isOver) this.#streams.add(stream, payload)
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
      const limit = setTimeout(() => this.#socket?.terminate(), BYE_LIMIT_MS)
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

  #dial(place: string | { readonly fd: number }, hello: Uint8Array): void {
    const connecting = Bun.connect({
      ...(typeof place === 'string' ? { unix: place } : place),
      socket: {
        binaryType: 'uint8array',
        open: (socket: Socket) => {
          this.#socket = socket
          if (!this.#isOpen) return this.#hangUp()
          this.#outbox.control(encodeFrame(FRAME.hello, 0, hello))
        },
        data: (_socket: Socket, chunk: Uint8Array) => this.#received(chunk),
        drain: () => this.#outbox.drained(),
        close: () => {
          this.#socketClosed.resolve()
          this.#close(new AppError('sandbox_lost', 'the connection to the sandbox ended'))
        },
      },
      // Bun's types do not know `fd` here, which works.
    } as Parameters<typeof Bun.connect>[0])
    connecting.catch((cause: unknown) => {
      this.#socketClosed.resolve()
      this.#close(new AppError('sandbox_lost', `no sandbox listens at ${typeof place === 'string' ? place : 'the other end'}`, { cause }))
    })
  }

  #received(chunk: Uint8Array): void {
    try {
      this.#decoder.push(chunk)
    } catch (error) {
      // Nothing of a bug of ours may leave through the socket's callback, where nobody would settle what waits.
      const reason = isAppError(error) ? error : new AppError('internal', 'what a sandbox sent could not be read', { cause: error })
      this.#refuse('protocol_error', reason)
    }
  }

  readonly #decoder = new FrameDecoder(
    {
      frame: (type, stream, payload) => {
        if (!this.#isOpen) return
        if (stream === 0) this.#connectionFrame(type, payload)
        else this.#streams.frame(type, stream, payload)
      },
      data: (stream, channel, bytes) => this.#streams.data(stream, channel, bytes),
    },
    { opens: false },
  )

  #connectionFrame(type: FrameType, payload: Uint8Array): void {
    if (type === FRAME.error) return this.#close(refusal(decodeJson(payload)))
    if (type === FRAME.hello) {
      if (this.#peer !== undefined) throw breach('a second greeting')
      const hello = readHello(decodeJson(payload))
      if (isTooOld(hello)) {
        const message = `it speaks version ${hello.protocol} of the guest protocol`
        return this.#refuse('protocol_version', new AppError('sandbox_lost', message, { fix: OTHER_VERSION }))
      }
      this.#peer = hello
      return this.#greeted.resolve(hello)
    }
    if (this.#peer === undefined) throw breach('it did not greet first')
    if (type === FRAME.bye) this.#close(new AppError('sandbox_lost', 'the sandbox left the connection'))
    else if (type === FRAME.pong) this.#pings.answered(payload)
    else if (!this.#outbox.pong(payload)) throw breach('ping after ping, whose answers it does not read')
  }

  /** Ends the connection because of what the other side said. */
  #refuse(code: GuestErrorCode, error: AppError): void {
    this.#outbox.control(encodeFrame(FRAME.error, 0, encodeJson({ code, message: error.message })))
    this.#close(error)
  }

  /** Ends it for a reason of ours. A daemon that goes without BYE would pass for one that crashed. */
  #giveUp(error: AppError): void {
    this.#outbox.control(encodeFrame(FRAME.bye, 0))
    this.#close(error)
  }

  #close(error: AppError): void {
    if (!this.#isOpen) return
    this.#settle('lost', error)
    this.#outbox.flush()
    this.#hangUp()
  }

  /** Everything that waits for this connection fails. */
  #settle(how: Closed['how'], error: AppError): void {
    this.#isOpen = false
    this.#streams.close(error)
    this.#pings.close(error)
    this.#greeted.reject(error)
    this.#settleClosed({ how, error })
  }

  #hangUp(): void {
    this.#outbox.close()
    this.#socket?.end()
  }
}
