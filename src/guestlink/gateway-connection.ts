import type { Socket } from 'bun'
import { AppError, isAppError } from '../contract/errors.ts'
import { FRAME, type FrameType, type Channel, MAX_FLOWS, type GuestErrorCode } from '../contract/guest-protocol.ts'
import { breach, OTHER_VERSION, refusal } from './errors.ts'
import { GuestFlow, readFlowOpen } from './flow.ts'
import { decodeNumber, encodeFrame, FrameDecoder } from './frame.ts'
import { isTooOld, ownHello, readHello } from './hello.ts'
import { decodeJson, encodeJson } from './json.ts'
import { Outbox } from './outbox.ts'

/** From the start to the other side's greeting, in ms: as long as a sandbox may take to start. */
const HELLO_LIMIT_MS = 120_000
const BYE_LIMIT_MS = 1_000

export interface GatewayOptions {
  /** Of this program. */
  readonly version: string
  /** Called for each flow; must not throw. */
  readonly onFlow: (flow: GuestFlow) => void
}

/** Where a sandbox's egress connection is: our end of a socket pair, which is closed with the connection, or a unix socket. */
export type EgressPlace = { readonly fd: number } | { readonly unix: string }

/**
 * The egress connection (`docs/guest-protocol.md`), as the side that serves. Everything it reads is hostile: what breaks a rule ends it,
 * and with it every flow, which closes the sandbox's network.
 */
export class GatewayConnection {
  /** Why it ended; undefined: this side said BYE. Never rejects. */
  readonly closed: Promise<AppError | undefined>
  readonly #closed = Promise.withResolvers<AppError | undefined>()
  readonly #onFlow: (flow: GuestFlow) => void
  readonly #outbox = new Outbox((bytes) => this.#socket?.write(bytes) ?? -1)
  readonly #flows = new Map<number, GuestFlow>()
  readonly #socketClosed = Promise.withResolvers<void>()
  #socket: Socket | undefined
  #greeted = false
  #isOpen = true
  /** Highest number of a flow so far. */
  #last = 0
  #helloLimit: Timer | undefined

  constructor(place: EgressPlace, options: GatewayOptions) {
    this.closed = this.#closed.promise
    this.#onFlow = options.onFlow
    this.#helloLimit = setTimeout(
      () => this.#close(new AppError('timed_out', `the sandbox did not greet within ${HELLO_LIMIT_MS} ms`)),
      HELLO_LIMIT_MS,
    )
    this.#helloLimit.unref()
    this.#dial(place, encodeJson(ownHello('gateway', options.version)))
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Leaves on purpose: every flow is reset, the network is closed. Safe to repeat; never rejects. */
  async bye(): Promise<void> {
    if (this.#isOpen) {
      this.#settle(undefined)
      const limit = setTimeout(() => this.#socket?.terminate(), BYE_LIMIT_MS)
      this.#outbox.control(encodeFrame(FRAME.bye, 0))
      this.#outbox.whenEmpty(() => this.#hangUp())
      await this.#socketClosed.promise
      clearTimeout(limit)
    }
    await this.#socketClosed.promise
  }

  #dial(place: EgressPlace, hello: Uint8Array): void {
    const connecting = Bun.connect({
      ...place,
      socket: {
        binaryType: 'uint8array',
        open: (socket: Socket) => {
          this.#socket = socket
          if (!this.#isOpen) return this.#hangUp()
          this.#outbox.control(encodeFrame(FRAME.hello, 0, hello))
        },
        data: (_socket: Socket, chunk: Uint8Array) => this.#received(chunk),
        drain: () => this.#outbox.drained(),
        error: (_socket: Socket, cause: Error) => this.#close(new AppError('sandbox_lost', 'the egress connection failed', { cause })),
        close: () => {
          this.#socketClosed.resolve()
          this.#close(new AppError('sandbox_lost', 'the egress connection ended'))
        },
      },
      // Bun's types know `unix` and host names, but not `fd`, which it documents for `Bun.listen` only.
    } as Parameters<typeof Bun.connect>[0])
    connecting.catch((cause: unknown) => {
      this.#socketClosed.resolve()
      this.#close(new AppError('sandbox_lost', 'the egress connection could not be made', { cause }))
    })
  }

  #received(chunk: Uint8Array): void {
    try {
      this.#decoder.push(chunk)
    } catch (error) {
      const reason = isAppError(error) ? error : new AppError('internal', 'what a sandbox sent could not be read', { cause: error })
      this.#refuse('protocol_error', reason)
    }
  }

  readonly #decoder = new FrameDecoder(
    {
      frame: (type, stream, payload) => {
        if (!this.#isOpen) return
        if (stream === 0) this.#connectionFrame(type, payload)
        else if (type === FRAME.open) this.#opened(stream, payload)
        else this.#flowFrame(type, stream, payload)
      },
      data: (stream, channel, bytes) => {
        if (this.#isOpen) this.#known(stream)?.receiveData(channel, bytes)
      },
    },
    { opens: true },
  )

  #connectionFrame(type: FrameType, payload: Uint8Array): void {
    if (type === FRAME.error) return this.#close(refusal(decodeJson(payload)))
    if (type === FRAME.hello) {
      if (this.#greeted) throw breach('a second greeting')
      const hello = readHello(decodeJson(payload))
      if (isTooOld(hello)) {
        const message = `it speaks version ${hello.protocol} of the guest protocol`
        return this.#refuse('protocol_version', new AppError('sandbox_lost', message, { fix: OTHER_VERSION }))
      }
      this.#greeted = true
      clearTimeout(this.#helloLimit)
      return
    }
    if (!this.#greeted) throw breach('it did not greet first')
    if (type === FRAME.bye) this.#close(new AppError('sandbox_lost', 'the sandbox left the egress connection'))
    else if (type === FRAME.ping && !this.#outbox.pong(payload)) throw breach('ping after ping, whose answers it does not read')
  }

  #opened(number: number, payload: Uint8Array): void {
    if (!this.#greeted) throw breach('it did not greet first')
    if (number % 2 === 0 || number <= this.#last) throw breach(`the stream number ${number} out of turn`)
    this.#last = number
    const request = readFlowOpen(decodeJson(payload))
    if (request === undefined) return this.#fail(number, 'invalid', 'no such flow')
    if (this.#flows.size >= MAX_FLOWS) return this.#fail(number, 'too_many_streams', 'too many flows are open')
    const flow = new GuestFlow(number, request, this.#outbox, () => void this.#flows.delete(number))
    this.#flows.set(number, flow)
    this.#onFlow(flow)
  }

  #flowFrame(type: FrameType, number: number, payload: Uint8Array): void {
    const flow = this.#known(number)
    if (flow === undefined) return
    if (type === FRAME.eof) flow.receiveEof(payload[0] as Channel)
    else if (type === FRAME.credit) flow.grant(decodeNumber(payload))
    else if (type === FRAME.cancel) flow.cancel()
    else throw breach(`a frame of type ${type} on a flow`)
  }

  /** The flow, or undefined when it has ended: then the frame crossed its END. */
  #known(number: number): GuestFlow | undefined {
    if (number % 2 === 0 || number > this.#last) throw breach(`a frame for stream ${number}, which never existed`)
    return this.#flows.get(number)
  }

  #fail(number: number, code: GuestErrorCode, message: string): void {
    this.#outbox.control(encodeFrame(FRAME.error, number, encodeJson({ code, message })))
  }

  #refuse(code: GuestErrorCode, error: AppError): void {
    this.#outbox.control(encodeFrame(FRAME.error, 0, encodeJson({ code, message: error.message })))
    this.#close(error)
  }

  #close(error: AppError): void {
    if (!this.#isOpen) return
    this.#settle(error)
    this.#outbox.flush()
    this.#hangUp()
  }

  #settle(error: AppError | undefined): void {
    this.#isOpen = false
    clearTimeout(this.#helloLimit)
    const reason = error ?? new AppError('canceled', 'the gateway was closed')
    for (const flow of [...this.#flows.values()]) flow.lose(reason)
    this.#flows.clear()
    this.#closed.resolve(error)
  }

  #hangUp(): void {
    this.#outbox.close()
    this.#socket?.end()
  }
}
