import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { isAppError } from '../contract/errors.ts'
import { FRAME, type FrameType, MAX_DATA_BYTES, MAX_JSON_BYTES, MAX_PAYLOAD_BYTES } from '../contract/guest-protocol.ts'
import { decodeNumber, encodeFrame, encodeNumber, FrameDecoder, putHeader } from './frame.ts'

interface Frame {
  readonly type: FrameType
  readonly stream: number
  readonly payload: readonly number[]
}

/** What a decoder makes of pieces, and the error it ended with. */
function decode(pieces: readonly Uint8Array[], opens = true): { readonly frames: Frame[]; readonly error?: unknown } {
  const frames: Frame[] = []
  const decoder = new FrameDecoder(
    {
      frame: (type, stream, payload) => frames.push({ type, stream, payload: [...payload] }),
      data: (stream, channel, bytes) => frames.push({ type: FRAME.data, stream, payload: [channel, ...bytes] }),
    },
    { opens },
  )
  try {
    for (const piece of pieces) decoder.push(piece)
  } catch (error) {
    return { frames, error }
  }
  return { frames }
}

function header(length: number, stream: number, type: number): Uint8Array {
  const bytes = new Uint8Array(9)
  putHeader(bytes, 0, type as FrameType, stream, length)
  return bytes
}

/** Why bytes are refused. */
function refusal(bytes: Uint8Array, opens = true): string {
  const { error } = decode([bytes], opens)
  return isAppError(error, 'sandbox_lost') ? error.message : `not refused: ${String(error)}`
}

function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b)
  return places.slice(1).map((place, index) => bytes.slice(places[index], place))
}

describe('a frame', () => {
  test('is its length, its stream and its type, little-endian, and the payload', () => {
    const frame = encodeFrame(FRAME.event, 0x01020304, new TextEncoder().encode('{"a":1}'))
    expect([...frame.subarray(0, 9)]).toEqual([7, 0, 0, 0, 4, 3, 2, 1, 8])
    expect(Buffer.from(frame.subarray(9)).toString()).toBe('{"a":1}')
  })

  test('bears numbers up to the last', () => {
    for (const value of [0, 1, 255, 256, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]) expect(decodeNumber(encodeNumber(value))).toBe(value)
  })

  test('that came whole is a view of what came, not a copy', () => {
    const chunk = encodeFrame(FRAME.data, 1, Uint8Array.of(1, 42))
    const seen: Uint8Array[] = []
    new FrameDecoder({ frame: () => undefined, data: (_stream, _channel, bytes) => seen.push(bytes) }, { opens: false }).push(chunk)
    chunk[10] = 43
    expect(seen.map((bytes) => [...bytes])).toEqual([[43]])
  })

  test.each([
    ['OPEN', FRAME.open, 1, MAX_PAYLOAD_BYTES],
    ['EVENT', FRAME.event, 1, MAX_JSON_BYTES],
    ['DATA', FRAME.data, 1, 1 + MAX_DATA_BYTES],
    ['HELLO', FRAME.hello, 0, MAX_JSON_BYTES],
  ])('of type %s may be as long as its limit and no longer', (_name, type, stream, most) => {
    const payload = new Uint8Array(most)
    const whole = encodeFrame(type, stream, payload)
    expect(decode([whole]).frames.map((frame) => frame.payload.length)).toEqual([most])
    expect(decode(split(whole, [4, 9, 10, most])).frames.map((frame) => frame.payload.length)).toEqual([most])
    expect(refusal(header(most + 1, stream, type))).toContain(`${most + 1} bytes`)
  })

  test('is refused as soon as its header is there, however that came', () => {
    const bytes = header(MAX_JSON_BYTES + 1, 1, FRAME.end)
    for (let at = 0; at < 9; at++) expect(decode([bytes.slice(0, at), bytes.slice(at, 8)]).error).toBeUndefined()
    for (let at = 0; at <= 9; at++) expect(isAppError(decode(split(bytes, [at])).error, 'sandbox_lost')).toBe(true)
  })

  test('that opens or cancels a stream is refused by a side that serves none', () => {
    expect(refusal(header(MAX_PAYLOAD_BYTES, 2, FRAME.open), false)).toContain('opened a stream')
    expect(refusal(header(0, 1, FRAME.cancel), false)).toContain('opened a stream')
  })
})

const byte = fc.integer({ min: 0, max: 255 })
const anyStream = fc.integer({ min: 1, max: 0xffff_ffff })

function frames(type: FrameType, stream: fc.Arbitrary<number>, payload: fc.Arbitrary<number[]>): fc.Arbitrary<Frame> {
  return fc.record({ type: fc.constant(type), stream, payload })
}

const content = (least: number, most: number) => fc.array(byte, { minLength: least, maxLength: most })
const channel = fc.integer({ min: 0, max: 2 })
/** Every frame that a decoder must take. */
const validFrame = fc.oneof(
  ...[FRAME.hello, FRAME.error].map((type) => frames(type, fc.constant(0), content(2, 60))),
  ...[FRAME.ping, FRAME.pong].map((type) => frames(type, fc.constant(0), content(8, 8))),
  frames(FRAME.bye, fc.constant(0), content(0, 0)),
  ...[FRAME.open, FRAME.event, FRAME.end, FRAME.error].map((type) => frames(type, anyStream, content(2, 300))),
  frames(FRAME.cancel, anyStream, content(0, 0)),
  frames(FRAME.credit, anyStream, content(4, 4)),
  frames(
    FRAME.eof,
    anyStream,
    fc.tuple(channel).map(([first]) => [first]),
  ),
  frames(
    FRAME.data,
    anyStream,
    fc.tuple(channel, content(1, 300)).map(([first, rest]) => [first, ...rest]),
  ),
)
const cuts = fc.array(fc.nat({ max: 1 << 20 }), { maxLength: 40 })

describe('any stream of bytes', () => {
  test('gives the same frames however it is cut', () => {
    fc.assert(
      fc.property(fc.array(validFrame, { maxLength: 12 }), cuts, (sent, places) => {
        const bytes = Buffer.concat(sent.map(({ type, stream, payload }) => encodeFrame(type, stream, Uint8Array.from(payload))))
        expect(decode(split(bytes, places))).toEqual({ frames: sent })
      }),
      { numRuns: 400 },
    )
  })

  test('byte by byte gives the same frames', () => {
    const sent: Frame[] = [
      { type: FRAME.hello, stream: 0, payload: [123, 125] },
      { type: FRAME.cancel, stream: 9, payload: [] },
      { type: FRAME.data, stream: 1, payload: [2, 1, 2, 3] },
      { type: FRAME.bye, stream: 0, payload: [] },
    ]
    const bytes = Buffer.concat(sent.map(({ type, stream, payload }) => encodeFrame(type, stream, Uint8Array.from(payload))))
    expect(decode([...bytes].map((one) => Uint8Array.of(one)))).toEqual({ frames: sent })
  })

  test('is either frames or a breach, never anything else, and what came before the breach is told', () => {
    const nearly = fc.tuple(fc.nat({ max: 70_000 }), fc.nat({ max: 3 }), fc.nat({ max: 14 })).map((numbers) => header(...numbers))
    const piece = fc.oneof(fc.uint8Array({ maxLength: 40 }), nearly)
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), cuts, fc.boolean(), (pieces, places, opens) => {
        const bytes = Buffer.concat(pieces)
        const whole = decode([bytes], opens)
        expect(whole.error === undefined || isAppError(whole.error, 'sandbox_lost')).toBe(true)
        const parts = decode(split(bytes, places), opens)
        expect(parts.frames).toEqual(whole.frames)
        expect(String(parts.error)).toBe(String(whole.error))
      }),
      { numRuns: 2_000 },
    )
  })
})
