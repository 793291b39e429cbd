/** Frames of HTTP/2 (RFC 9113, 4): length of 24 bits, type, flags, stream of 31 bits, payload. */
export const FRAME_HEAD_BYTES = 9
/** The least that both sides must take, and the most that either sends here. */
export const MOST_FRAME_BYTES = 16_384
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export const TYPE = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const

export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const

export const CODE = {
  noError: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const

export const SETTING = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** What ends a connection, with the code that its other side is told. */
export class ConnectionError extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

export function encodeFrame(type: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEAD_BYTES + payload.length)
  frame.writeUIntBE(payload.length, 0, 3)
  frame[3] = type
  frame[4] = flags
  frame.writeUInt32BE(stream, 5)
  frame.set(payload, FRAME_HEAD_BYTES)
  return frame
}

export function encodeSettings(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(settings.length * 6)
  for (const [index, [id, value]] of settings.entries()) {
    payload.writeUInt16BE(id, index * 6)
    payload.writeUInt32BE(value, index * 6 + 2)
  }
  return encodeFrame(TYPE.settings, 0, 0, payload)
}

export function encodeNumber(type: number, stream: number, value: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(value)
  return encodeFrame(type, 0, stream, payload)
}

/** Cuts bytes into frames. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  /** Throws ConnectionError for a frame that is too large. Payloads may be views of `bytes`. */
  push(bytes: Uint8Array): Frame[] {
    const all = this.#rest.length === 0 ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) : Buffer.concat([this.#rest, bytes])
    const frames: Frame[] = []
    let at = 0
    while (all.length - at >= FRAME_HEAD_BYTES) {
      const length = all.readUIntBE(at, 3)
      if (length > MOST_FRAME_BYTES) throw new ConnectionError(CODE.frameSize, 'a frame is too large')
      const end = at + FRAME_HEAD_BYTES + length
      if (all.length < end) break
      const stream = all.readUInt32BE(at + 5) & 0x7fffffff
      frames.push({ type: all[at + 3]!, flags: all[at + 4]!, stream, payload: all.subarray(at + FRAME_HEAD_BYTES, end) })
      at = end
    }
    this.#rest = all.subarray(at)
    return frames
  }
}

/** The payload without padding, and without what is said about priority. Throws ConnectionError. */
export function contentOf({ type, flags, payload }: Frame): Buffer {
  let start = 0
  let end = payload.length
  if ((flags & FLAG.padded) !== 0) {
    start = 1
    end -= payload[0] ?? 0
  }
  if (type === TYPE.headers && (flags & FLAG.priority) !== 0) start += 5
  if (end < start) throw new ConnectionError(CODE.protocol, 'more padding than there is room for')
  return payload.subarray(start, end)
}
