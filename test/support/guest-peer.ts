import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Socket } from 'bun'
import { isAppError } from '../../src/contract/errors.ts'
import { type Channel, FEATURES, FRAME, type FrameType, type Hello } from '../../src/contract/guest-protocol.ts'
import { encodeFrame, FrameDecoder } from '../../src/guestlink/frame.ts'
import { Guest } from '../../src/guestlink/index.ts'
import { decodeJson, encodeJson, type Json } from '../../src/guestlink/json.ts'

export interface PeerFrame {
  readonly type: FrameType
  readonly stream: number
  /** Of DATA and EOF. */
  readonly channel: Channel
  /** Without the channel. */
  readonly bytes: Uint8Array
}

export const HELLO: Hello = { protocol: 1, role: 'shim', version: '0.0.0-test', features: FEATURES }

/** The other end of the guest protocol, spoken by hand: it says what a test tells it to, right or wrong. */
export class GuestPeer implements Disposable {
  readonly path: string
  readonly #folder = mkdtempSync(join(tmpdir(), 'peer-'))
  readonly #listener: { stop: (force: boolean) => void }
  readonly #arrived: PeerLink[] = []
  readonly #waiting: ((link: PeerLink) => void)[] = []

  constructor() {
    this.path = join(this.#folder, 's')
    this.#listener = Bun.listen<PeerLink>({
      unix: this.path,
      socket: {
        binaryType: 'uint8array',
        open: (socket) => {
          socket.data = new PeerLink(socket)
          const next = this.#waiting.shift()
          if (next === undefined) this.#arrived.push(socket.data)
          else next(socket.data)
        },
        data: (socket, chunk) => socket.data.received(chunk),
        drain: (socket) => socket.data.flush(),
        close: (socket) => socket.data.ended(),
      },
    })
  }

  /** The next connection. */
  accept(): Promise<PeerLink> {
    const link = this.#arrived.shift()
    return link === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(link)
  }

  [Symbol.dispose](): void {
    this.#listener.stop(true)
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** One connection, as the peer sees it. */
export class PeerLink {
  readonly closed: Promise<void>
  readonly #settleClosed: () => void
  readonly #socket: Socket<PeerLink>
  readonly #frames: PeerFrame[] = []
  readonly #waiting: ((frame: PeerFrame) => void)[] = []
  #rest: Uint8Array[] = []
  #bytes = 0
  readonly #decoder = new FrameDecoder(
    {
      frame: (type, stream, payload) =>
        type === FRAME.eof
          ? this.#add({ type, stream, channel: payload[0] as Channel, bytes: new Uint8Array() })
          : this.#add({ type, stream, channel: 0, bytes: payload }),
      data: (stream, channel, bytes) => {
        this.#bytes += bytes.length
        this.#add({ type: FRAME.data, stream, channel, bytes })
      },
    },
    { opens: true },
  )

  constructor(socket: Socket<PeerLink>) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.closed = promise
    this.#settleClosed = resolve
    this.#socket = socket
  }

  /** Bytes of DATA that have come. */
  get dataBytes(): number {
    return this.#bytes
  }

  /** Whatever comes next. */
  next(): Promise<PeerFrame> {
    const frame = this.#frames.shift()
    return frame === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(frame)
  }

  /** The next frame, which must be of that type. */
  async expect(type: FrameType): Promise<PeerFrame> {
    const frame = await this.next()
    if (frame.type !== type)
      throw new TypeError(`a frame of type ${frame.type} in place of ${type}: ${Buffer.from(frame.bytes).toString()}`)
    return frame
  }

  /** The next frame, which must be of that type, read as JSON. */
  async expectJson(type: FrameType): Promise<{ readonly stream: number; readonly body: Json }> {
    const frame = await this.expect(type)
    return { stream: frame.stream, body: decodeJson(frame.bytes) }
  }

  /** Takes the greeting and answers it. */
  async greet(hello: object = HELLO): Promise<Json> {
    const { body } = await this.expectJson(FRAME.hello)
    this.json(FRAME.hello, 0, hello)
    return body
  }

  json(type: FrameType, stream: number, body: object): void {
    this.send(type, stream, encodeJson(body))
  }

  data(stream: number, channel: Channel, bytes: Uint8Array | string): void {
    this.send(FRAME.data, stream, Buffer.concat([Uint8Array.of(channel), Buffer.from(bytes)]))
  }

  send(type: FrameType, stream: number, payload?: Uint8Array): void {
    this.raw(encodeFrame(type, stream, payload))
  }

  raw(bytes: Uint8Array): void {
    this.#rest.push(bytes)
    this.flush()
  }

  /** Reads no more. */
  pause(): void {
    this.#socket.pause()
  }

  /** Closes without a word. */
  hangUp(): void {
    this.#socket.end()
  }

  received(chunk: Uint8Array): void {
    this.#decoder.push(chunk)
  }

  flush(): void {
    for (let bytes = this.#rest.shift(); bytes !== undefined; bytes = this.#rest.shift()) {
      const taken = Math.max(0, this.#socket.write(bytes))
      if (taken === bytes.length) continue
      this.#rest.unshift(bytes.subarray(taken))
      return
    }
  }

  ended(): void {
    this.#settleClosed()
  }

  #add(frame: PeerFrame): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#frames.push(frame)
    else next(frame)
  }
}

/** A guest whose other end is a peer, both greeted; disposed of together. */
export interface Visit extends AsyncDisposable {
  readonly guest: Guest
  readonly link: PeerLink
}

export async function visit(hello: object = HELLO): Promise<Visit> {
  const peer = new GuestPeer()
  const connecting = Guest.connect(peer.path, { role: 'daemon', version: '1.2.3' })
  const link = await peer.accept()
  await link.greet(hello)
  const guest = await connecting
  return {
    guest,
    link,
    [Symbol.asyncDispose]: async () => {
      await guest.connection.bye()
      peer[Symbol.dispose]()
    },
  }
}

/** The code of the error that `promise` fails with, or what it gave instead. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    return { value: await promise }
  } catch (error) {
    return isAppError(error) ? error.code : error
  }
}
