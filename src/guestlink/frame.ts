import {
  type Channel,
  FRAME,
  FRAME_HEADER_BYTES,
  type FrameType,
  MAX_DATA_BYTES,
  MAX_JSON_BYTES,
  MAX_PAYLOAD_BYTES,
} from '../contract/guest-protocol.ts'
import { breach } from './errors.ts'

/** What a header of each type may say: bounds of the payload, and whether it belongs to stream 0, to others, or to both. */
interface Rule {
  readonly least: number
  readonly most: number
  readonly on: 'connection' | 'stream' | 'both'
}
/** The shortest object is `{}`. */
const JSON_FRAME = { least: 2, most: MAX_JSON_BYTES } as const
const RULES: Readonly<Record<FrameType, Rule>> = {
  [FRAME.hello]: { ...JSON_FRAME, on: 'connection' },
  [FRAME.ping]: { least: 8, most: 8, on: 'connection' },
  [FRAME.pong]: { least: 8, most: 8, on: 'connection' },
  [FRAME.open]: { least: 2, most: MAX_PAYLOAD_BYTES, on: 'stream' },
  [FRAME.data]: { least: 2, most: 1 + MAX_DATA_BYTES, on: 'stream' },
  [FRAME.eof]: { least: 1, most: 1, on: 'stream' },
  [FRAME.credit]: { least: 4, most: 4, on: 'stream' },
  [FRAME.event]: { ...JSON_FRAME, on: 'stream' },
  [FRAME.end]: { ...JSON_FRAME, on: 'stream' },
  [FRAME.error]: { ...JSON_FRAME, on: 'both' },
  [FRAME.cancel]: { least: 0, most: 0, on: 'stream' },
  [FRAME.bye]: { least: 0, most: 0, on: 'connection' },
}
/** By number; an array costs less than an object on a path that every frame takes. */
const RULE_OF: readonly (Rule | undefined)[] = Array.from({ length: 256 }, (_, type) => (RULES as Record<number, Rule>)[type])
const LAST_CHANNEL = 2
const NOTHING = new Uint8Array(0)

/** Writes a header at `at`. The caller has checked the numbers: all are our own. */
export function putHeader(target: Uint8Array, at: number, type: FrameType, stream: number, payloadBytes: number): void {
  target[at] = payloadBytes
  target[at + 1] = payloadBytes >>> 8
  target[at + 2] = payloadBytes >>> 16
  target[at + 3] = payloadBytes >>> 24
  target[at + 4] = stream
  target[at + 5] = stream >>> 8
  target[at + 6] = stream >>> 16
  target[at + 7] = stream >>> 24
  target[at + 8] = type
}

/** One frame, header and payload. */
export function encodeFrame(type: FrameType, stream: number, payload: Uint8Array = NOTHING): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length)
  putHeader(frame, 0, type, stream, payload.length)
  frame.set(payload, FRAME_HEADER_BYTES)
  return frame
}

/** The payload of CREDIT. */
export function encodeNumber(value: number): Uint8Array {
  return new Uint8Array([value, value >>> 8, value >>> 16, value >>> 24])
}

/** The number in the payload of CREDIT. */
export function decodeNumber(bytes: Uint8Array, at = 0): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

/** Where frames go, in their order. Payloads are views of what was received: whoever keeps one keeps all of that. */
export interface FrameSink {
  /** Every type but DATA. */
  readonly frame: (type: FrameType, stream: number, payload: Uint8Array) => void
  readonly data: (stream: number, channel: Channel, bytes: Uint8Array) => void
}

/**
 * Cuts a stream of bytes into frames, whatever pieces it comes in. A header is judged as soon as its nine bytes are there, so that
 * nothing is ever kept for a frame that is refused. Throws the error of a breach (`sandbox_lost`) and nothing else of its own; after
 * that it must not be used again.
 */
export class FrameDecoder {
  readonly #sink: FrameSink
  readonly #opens: boolean
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES)
  #headerBytes = 0
  /** Of a frame that came in parts. */
  #payload: Uint8Array | undefined
  #payloadBytes = 0

  /** `opens`: false refuses OPEN and CANCEL by their header, for a side that serves no streams. */
  constructor(sink: FrameSink, options: { readonly opens: boolean }) {
    this.#sink = sink
    this.#opens = options.opens
  }

  /** Takes the next bytes; they must not change afterwards. */
  push(chunk: Uint8Array): void {
    let at = this.#headerBytes === 0 ? 0 : this.#resume(chunk)
    while (chunk.length - at >= FRAME_HEADER_BYTES) {
      const length = this.#check(chunk, at)
      const start = at + FRAME_HEADER_BYTES
      if (chunk.length - start < length) break
      this.#deliver(chunk[at + 8] as FrameType, decodeNumber(chunk, at + 4), length === 0 ? NOTHING : chunk.subarray(start, start + length))
      at = start + length
    }
    if (at < chunk.length) this.#keep(chunk, at)
  }

  /** Completes the frame that an earlier chunk began; answers how much of `chunk` that took. */
  #resume(chunk: Uint8Array): number {
    let at = 0
    if (this.#payload === undefined) {
      at = Math.min(FRAME_HEADER_BYTES - this.#headerBytes, chunk.length)
      this.#header.set(chunk.subarray(0, at), this.#headerBytes)
      this.#headerBytes += at
      if (this.#headerBytes < FRAME_HEADER_BYTES) return at
      this.#payload = newPayload(this.#check(this.#header, 0))
    }
    const payload = this.#payload
    const part = Math.min(payload.length - this.#payloadBytes, chunk.length - at)
    payload.set(chunk.subarray(at, at + part), this.#payloadBytes)
    this.#payloadBytes += part
    if (this.#payloadBytes === payload.length) {
      this.#headerBytes = 0
      this.#payload = undefined
      this.#payloadBytes = 0
      this.#deliver(this.#header[8] as FrameType, decodeNumber(this.#header, 4), payload)
    }
    return at + part
  }

  /** Keeps the beginning of a frame for the next chunk. */
  #keep(chunk: Uint8Array, from: number): void {
    // What `resume` could not complete is in its place already, and then nothing is left.
    const header = Math.min(FRAME_HEADER_BYTES, chunk.length - from)
    this.#header.set(chunk.subarray(from, from + header))
    this.#headerBytes = header
    if (header < FRAME_HEADER_BYTES) return
    const payload = newPayload(decodeNumber(this.#header))
    payload.set(chunk.subarray(from + header))
    this.#payload = payload
    this.#payloadBytes = chunk.length - from - header
  }

  /** The length of the payload, when the header keeps every rule. */
  #check(bytes: Uint8Array, at: number): number {
    const type = bytes[at + 8]!
    const rule = RULE_OF[type]
    if (rule === undefined) throw breach(`a frame of the unknown type ${type}`)
    const length = decodeNumber(bytes, at)
    if (length < rule.least || length > rule.most) throw breach(`a frame of type ${type} with ${length} bytes`)
    const stream = decodeNumber(bytes, at + 4)
    if (rule.on !== 'both' && (stream === 0) !== (rule.on === 'connection')) throw breach(`a frame of type ${type} on stream ${stream}`)
    if (!this.#opens && (type === FRAME.open || type === FRAME.cancel)) throw breach('it opened a stream')
    return length
  }

  #deliver(type: FrameType, stream: number, payload: Uint8Array): void {
    if (type !== FRAME.data && type !== FRAME.eof) {
      this.#sink.frame(type, stream, payload)
      return
    }
    const channel = payload[0]!
    if (channel > LAST_CHANNEL) throw breach(`the unknown channel ${channel}`)
    if (type === FRAME.eof) this.#sink.frame(type, stream, payload)
    else this.#sink.data(stream, channel as Channel, payload.subarray(1))
  }
}

/** Every byte is written before the frame is delivered, so that clearing it first would be wasted. */
function newPayload(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}
