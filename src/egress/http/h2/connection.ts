import { ignore } from '../../../lib/ignore.ts'
import type { Headers } from '../head.ts'
import { leave } from '../leave.ts'
import type { Pipe } from '../pipe.ts'
import { FloodGuard } from './flood.ts'
import {
  CODE,
  ConnectionError,
  contentOf,
  encodeFrame,
  encodeNumber,
  encodeSettings,
  FLAG,
  type Frame,
  FrameReader,
  MOST_FRAME_BYTES,
  PREFACE,
  SETTING,
  TYPE,
} from './frames.ts'
import { HeaderBlocks } from './header-blocks.ts'
import { BadBlock, encodeBlock, MOST_LIST_BYTES } from './hpack.ts'
import { Outbox } from './outbox.ts'
import { H2Stream, type StreamHost, StreamLost } from './stream.ts'

export interface H2Options {
  /** What may wait for the reader of one stream, and of all together, in bytes. */
  readonly streamWindow: number
  readonly connectionWindow: number
  /** Makes this the server: called for each request. Resolves when the exchange is over; never rejects. */
  readonly onRequest?: (stream: H2Stream, headers: Headers, isEnd: boolean) => Promise<void>
  /** Requests at the same time that are served. @default 100 */
  readonly mostStreams?: number
}

const DEFAULT_WINDOW = 65_535
const MOST_WINDOW = 0x7fffffff
const MOST_STREAM_ID = 0x7fffffff
const SMALL_BYTES = 4_096
const FAREWELL_MS = 2_000
const PROGRAM_LEAVES_MS = 60_000

/**
 * One connection of HTTP/2 (RFC 9113), as server or as client. Without push, priorities and extensions. Whatever the other side does
 * is bounded: memory by windows, headers by their limit, work by `FloodGuard` and the number of streams.
 */
export class H2Connection implements StreamHost {
  readonly #pipe: Pipe
  readonly #options: H2Options
  readonly #isServer: boolean
  readonly #out: Outbox
  readonly #blocks = new HeaderBlocks()
  readonly #flood = new FloodGuard()
  readonly #streams = new Map<number, H2Stream>()
  #active = 0
  #lastId = 0
  #nextId = 1
  #sendWindow = DEFAULT_WINDOW
  #receiveWindow: number
  #unacknowledged = 0
  #peerWindow = DEFAULT_WINDOW
  #peerMostStreams = 100
  #hasSettings = false
  #isLeaving = false
  #isOver = false
  /** Called when the last stream has ended. */
  onIdle: (() => void) | undefined

  constructor(pipe: Pipe, options: H2Options) {
    this.#pipe = pipe
    this.#options = options
    this.#isServer = options.onRequest !== undefined
    this.#receiveWindow = options.connectionWindow
    this.#out = new Outbox(pipe, () => this.destroy())
    if (!this.#isServer) this.#out.put(PREFACE)
    const settings: [number, number][] = [
      [SETTING.initialWindowSize, options.streamWindow],
      [SETTING.maxHeaderListSize, MOST_LIST_BYTES],
    ]
    if (this.#isServer) settings.push([SETTING.maxConcurrentStreams, options.mostStreams ?? 100])
    else settings.push([SETTING.enablePush, 0])
    this.#out.put(encodeSettings(settings))
    this.#out.put(encodeNumber(TYPE.windowUpdate, 0, options.connectionWindow - DEFAULT_WINDOW))
  }

  /** Reads until the connection is over. Never rejects. */
  async run(): Promise<void> {
    try {
      const reader = new FrameReader()
      let before = this.#isServer ? PREFACE.length : 0
      for (let bytes = await this.#pipe.read(); bytes !== undefined && !this.#isOver; bytes = await this.#pipe.read()) {
        if (before > 0) {
          const part = bytes.subarray(0, before)
          if (
            !PREFACE.subarray(PREFACE.length - before)
              .subarray(0, part.length)
              .equals(part)
          ) {
            throw new ConnectionError(CODE.protocol, 'it does not begin as HTTP/2')
          }
          before -= part.length
          bytes = bytes.subarray(part.length)
        }
        for (const frame of reader.push(bytes)) this.#take(frame)
      }
    } catch (error) {
      if (error instanceof ConnectionError) await this.#fail(error.code)
      else if (error instanceof BadBlock) await this.#fail(CODE.compression)
      else ignore(error, 'the connection is gone')
    }
    this.destroy()
  }

  /** Streams that are open. */
  get streams(): number {
    return this.#streams.size
  }

  /** True: a request can be sent now. */
  get isUsable(): boolean {
    return !this.#isOver && !this.#isLeaving && this.#streams.size < this.#peerMostStreams && this.#nextId < MOST_STREAM_ID
  }

  /** For a client. Only when `isUsable`. */
  request(headers: Headers, isEnd: boolean): H2Stream {
    const stream = new H2Stream(this.#nextId, this, this.#peerWindow, this.#options.streamWindow)
    this.#nextId += 2
    this.#streams.set(stream.id, stream)
    this.sendHeaders(stream, headers, isEnd)
    return stream
  }

  /** Takes no more requests; ends when those that are open have. */
  leave(): void {
    if (this.#isLeaving || this.#isOver) return
    this.#isLeaving = true
    this.#goAway(CODE.noError)
    if (this.#streams.size === 0) this.#end()
  }

  /** Ends everything at once. Safe to repeat. */
  destroy(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#pipe.destroy()
    for (const stream of this.#streams.values()) stream.lose(new StreamLost('the connection was broken off'))
    this.#streams.clear()
    this.#out.wake()
  }

  get room(): number {
    return this.#out.isFull ? 0 : Math.min(this.#sendWindow, MOST_FRAME_BYTES)
  }

  change(): Promise<void> {
    return this.#out.change()
  }

  sendHeaders(stream: H2Stream, headers: Headers, isEnd: boolean): void {
    const block = encodeBlock(headers)
    for (let at = 0; at === 0 || at < block.length; at += MOST_FRAME_BYTES) {
      const isLast = at + MOST_FRAME_BYTES >= block.length
      const flags = (isLast ? FLAG.endHeaders : 0) | (at === 0 && isEnd ? FLAG.endStream : 0)
      this.#out.put(encodeFrame(at === 0 ? TYPE.headers : TYPE.continuation, flags, stream.id, block.subarray(at, at + MOST_FRAME_BYTES)))
    }
    if (isEnd) this.#ended(stream)
  }

  sendData(stream: H2Stream, bytes: Uint8Array, isEnd: boolean): void {
    this.#sendWindow -= bytes.length
    stream.sendWindow -= bytes.length
    this.#out.put(encodeFrame(TYPE.data, isEnd ? FLAG.endStream : 0, stream.id, bytes))
    if (isEnd) this.#ended(stream)
  }

  sendReset(stream: H2Stream, code: number): void {
    this.#out.put(encodeNumber(TYPE.rstStream, stream.id, code))
    this.#remove(stream)
  }

  taken(stream: H2Stream, bytes: number): void {
    this.#giveBack(bytes)
    stream.unacknowledged += bytes
    if (stream.remoteEnded || stream.isLost || stream.unacknowledged < this.#options.streamWindow / 2) return
    this.#out.put(encodeNumber(TYPE.windowUpdate, stream.id, stream.unacknowledged))
    stream.receiveWindow += stream.unacknowledged
    stream.unacknowledged = 0
  }

  #giveBack(bytes: number): void {
    this.#unacknowledged += bytes
    if (this.#unacknowledged < this.#options.connectionWindow / 2) return
    this.#out.put(encodeNumber(TYPE.windowUpdate, 0, this.#unacknowledged))
    this.#receiveWindow += this.#unacknowledged
    this.#unacknowledged = 0
  }

  #ended(stream: H2Stream): void {
    stream.localEnded = true
    if (stream.remoteEnded) this.#remove(stream)
  }

  #remove(stream: H2Stream): void {
    if (!this.#streams.delete(stream.id)) return
    if (this.#streams.size > 0) return
    if (this.#isLeaving) this.#end()
    else this.onIdle?.()
  }

  /** Nothing is open any more. Who does not close then is not waited for: a program for as long as it may need to read, a server hardly. */
  #end(): void {
    this.#out.end()
    setTimeout(() => this.destroy(), this.#isServer ? PROGRAM_LEAVES_MS : FAREWELL_MS).unref()
  }

  #take(frame: Frame): void {
    const { type, payload } = frame
    if (!this.#hasSettings && type !== TYPE.settings) throw new ConnectionError(CODE.protocol, 'settings come first')
    this.#blocks.check(frame)
    this.#flood.count(type, payload.length)
    if (type === TYPE.data) this.#data(frame)
    else if (type === TYPE.headers || type === TYPE.continuation) this.#headers(frame)
    else if (type === TYPE.settings) this.#settings(frame)
    else if (type === TYPE.rstStream) this.#reset(frame)
    else if (type === TYPE.ping) this.#ping(frame)
    else if (type === TYPE.goAway) this.#goneAway(frame)
    else if (type === TYPE.windowUpdate) this.#windowUpdate(frame)
    else if (type === TYPE.pushPromise) throw new ConnectionError(CODE.protocol, 'nobody may push')
  }

  #data(frame: Frame): void {
    const { length } = frame.payload
    this.#receiveWindow -= length
    if (this.#receiveWindow < 0) throw new ConnectionError(CODE.flowControl, 'more than there was room for')
    const content = contentOf(frame)
    const stream = this.#streams.get(frame.stream)
    if (stream === undefined || stream.remoteEnded) {
      this.#mustBeKnown(frame.stream)
      return this.#giveBack(length)
    }
    stream.receiveWindow -= length
    if (stream.receiveWindow < 0) throw new ConnectionError(CODE.flowControl, 'more than there was room for')
    if (!this.#isServer && !stream.hasHead) throw new ConnectionError(CODE.protocol, 'content before the head')
    if (length > content.length) this.taken(stream, length - content.length)
    // A small view would keep all of a large read alive for as long as the stream waits.
    if (content.length > 0) stream.takeData(content.length < SMALL_BYTES ? Buffer.from(content) : content)
    if ((frame.flags & FLAG.endStream) !== 0) this.#remoteEnded(stream)
  }

  #headers(frame: Frame): void {
    const block = this.#blocks.take(frame)
    if (block === undefined) return
    const { stream: id, headers, isEnd } = block
    const stream = this.#streams.get(id)
    if (stream === undefined) return this.#isServer ? this.#opened(id, headers, isEnd) : this.#mustBeKnown(id)
    if (stream.remoteEnded) throw new ConnectionError(CODE.streamClosed, 'headers after the end')
    if (this.#isServer || stream.hasHead) {
      if (!isEnd) throw new ConnectionError(CODE.protocol, 'trailers that are not the end')
      stream.trailers = headers
      return this.#remoteEnded(stream)
    }
    // What comes before the answer itself tells nothing that is passed on.
    if (!isEnd && /^1\d\d$/.test(headers.find(([name]) => name === ':status')?.[1] ?? '')) return
    stream.takeHead({ headers, isEnd })
    if (isEnd) this.#remoteEnded(stream)
  }

  #opened(id: number, headers: Headers, isEnd: boolean): void {
    if (id % 2 === 0) throw new ConnectionError(CODE.protocol, 'a stream with an even number')
    // It was reset while this was on its way.
    if (id <= this.#lastId) return
    this.#lastId = id
    const stream = new H2Stream(id, this, this.#peerWindow, this.#options.streamWindow)
    if (this.#isLeaving || this.#active >= (this.#options.mostStreams ?? 100)) return this.sendReset(stream, CODE.refusedStream)
    this.#streams.set(id, stream)
    if (isEnd) stream.takeEnd()
    this.#active++
    void this.#options.onRequest?.(stream, headers, isEnd).finally(() => {
      this.#active--
      // Whoever did not read it all does not want the rest.
      stream.reset(stream.localEnded ? CODE.noError : CODE.internal)
      stream.discard()
    })
  }

  #remoteEnded(stream: H2Stream): void {
    stream.takeEnd()
    if (stream.localEnded) this.#remove(stream)
  }

  #settings({ flags, payload, stream }: Frame): void {
    if (stream !== 0) throw new ConnectionError(CODE.protocol, 'settings of a stream')
    if ((flags & FLAG.ack) !== 0) {
      if (payload.length > 0) throw new ConnectionError(CODE.frameSize, 'an acknowledgement with content')
      return
    }
    if (payload.length % 6 !== 0) throw new ConnectionError(CODE.frameSize, 'settings of a wrong size')
    this.#hasSettings = true
    for (let at = 0; at < payload.length; at += 6) this.#setting(payload.readUInt16BE(at), payload.readUInt32BE(at + 2))
    this.#out.put(encodeFrame(TYPE.settings, FLAG.ack, 0))
    this.#out.wake()
  }

  #setting(id: number, value: number): void {
    if (id === SETTING.maxConcurrentStreams) this.#peerMostStreams = Math.min(value, 100)
    if (id !== SETTING.initialWindowSize) return
    if (value > MOST_WINDOW) throw new ConnectionError(CODE.flowControl, 'a window that is too large')
    for (const stream of this.#streams.values()) stream.sendWindow += value - this.#peerWindow
    this.#peerWindow = value
  }

  #reset({ stream: id, payload }: Frame): void {
    if (payload.length !== 4) throw new ConnectionError(CODE.frameSize, 'a reset of a wrong size')
    const stream = this.#streams.get(id)
    if (stream === undefined) return this.#mustBeKnown(id)
    const code = payload.readUInt32BE(0)
    this.#remove(stream)
    stream.lose(new StreamLost('the stream was reset by the other side', code === CODE.refusedStream))
    this.#out.wake()
  }

  #ping({ flags, payload, stream }: Frame): void {
    if (stream !== 0 || payload.length !== 8) throw new ConnectionError(CODE.frameSize, 'a ping of a wrong size')
    if ((flags & FLAG.ack) === 0) this.#out.put(encodeFrame(TYPE.ping, FLAG.ack, 0, payload))
  }

  #goneAway({ payload }: Frame): void {
    this.#isLeaving = true
    if (payload.length < 8) throw new ConnectionError(CODE.frameSize, 'a farewell of a wrong size')
    const last = payload.readUInt32BE(0) & MOST_WINDOW
    if (!this.#isServer) {
      for (const stream of [...this.#streams.values()]) {
        if (stream.id <= last) continue
        this.#remove(stream)
        stream.lose(new StreamLost('the server takes no more requests', true))
      }
    }
    if (this.#streams.size === 0) this.#end()
    this.#out.wake()
  }

  #windowUpdate({ stream: id, payload }: Frame): void {
    if (payload.length !== 4) throw new ConnectionError(CODE.frameSize, 'a window update of a wrong size')
    const more = payload.readUInt32BE(0) & MOST_WINDOW
    if (id === 0) this.#sendWindow += more
    const stream = this.#streams.get(id)
    if (stream !== undefined) stream.sendWindow += more
    else if (id !== 0) this.#mustBeKnown(id)
    if (more === 0 || this.#sendWindow > MOST_WINDOW || (stream?.sendWindow ?? 0) > MOST_WINDOW) {
      throw new ConnectionError(CODE.flowControl, 'a window that cannot be')
    }
    this.#out.wake()
  }

  /** A stream that has been is forgotten; one that never was is a mistake. */
  #mustBeKnown(id: number): void {
    const hasBeen = id !== 0 && id % 2 === 1 && (this.#isServer ? id <= this.#lastId : id < this.#nextId)
    if (!hasBeen) throw new ConnectionError(CODE.protocol, 'a stream that never was')
  }

  #goAway(code: number): boolean {
    const payload = Buffer.alloc(8)
    payload.writeUInt32BE(this.#lastId, 0)
    payload.writeUInt32BE(code, 4)
    return this.#out.put(encodeFrame(TYPE.goAway, 0, 0, payload))
  }

  /** Tells the other side, and gives it time to read that. */
  async #fail(code: number): Promise<void> {
    this.#isLeaving = true
    for (const stream of this.#streams.values()) stream.lose(new StreamLost('the connection was broken off'))
    const told = this.#out.change()
    if (!this.#goAway(code)) return
    await told
    await leave(this.#pipe, () => this.#pipe.read(), FAREWELL_MS)
  }
}
