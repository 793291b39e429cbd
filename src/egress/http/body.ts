import type { BodyFilter } from '../types.ts'
import type { ByteReader } from './byte-reader.ts'
import { CutOff } from './byte-reader.ts'
import { BadMessage, type Framing } from './head.ts'

const PIECE_BYTES = 64 * 1024
const MOST_LINE_BYTES = 1_024
const MOST_TRAILER_BYTES = 8 * 1024
const CRLF = Buffer.from('\r\n')
const LAST_CHUNK = Buffer.from('0\r\n\r\n')

/** The content of a body, piece by piece, its framing taken off. Throws CutOff and BadMessage. */
export async function* readBody(reader: ByteReader, framing: Framing, badStatus: number): AsyncGenerator<Uint8Array, void> {
  if (framing.kind === 'none') return
  if (framing.kind === 'length') return yield* exactly(reader, framing.bytes)
  if (framing.kind === 'close') {
    for (let bytes = await reader.some(PIECE_BYTES); bytes !== undefined; bytes = await reader.some(PIECE_BYTES)) yield bytes
    return
  }
  for (;;) {
    const size = chunkSize(await reader.line(MOST_LINE_BYTES), badStatus)
    if (size === 0) break
    yield* exactly(reader, size)
    if ((await reader.line(0)) !== '') throw new BadMessage(badStatus, 'a chunk is longer than it says')
  }
  // Trailers are dropped: what they may change was sent before.
  for (let left = MOST_TRAILER_BYTES; left > 0;) {
    const line = await reader.line(left)
    if (line === '') return
    left -= line.length + 2
  }
  throw new BadMessage(badStatus, 'too many trailers')
}

function chunkSize(line: string, badStatus: number): number {
  const match = /^([0-9A-Fa-f]{1,12})(?:[\t ]*;[\t\x20-\x7e]*)?$/.exec(line)
  if (match === null) throw new BadMessage(badStatus, 'the size of a chunk cannot be read')
  return Number.parseInt(match[1] ?? '', 16)
}

async function* exactly(reader: ByteReader, bytes: number): AsyncGenerator<Uint8Array, void> {
  for (let left = bytes; left > 0;) {
    const piece = await reader.some(Math.min(left, PIECE_BYTES))
    if (piece === undefined) throw new CutOff('the body was cut off')
    left -= piece.length
    yield piece
  }
}

/** Passes content through a filter. */
export async function* filtered(body: AsyncIterable<Uint8Array>, filter: BodyFilter | undefined): AsyncGenerator<Uint8Array, void> {
  if (filter === undefined) return yield* body
  for await (const piece of body) {
    const changed = filter.push(piece)
    if (changed.length > 0) yield changed
  }
  const last = filter.end()
  if (last.length > 0) yield last
}

/** Writes content as `framing` wants it. False: the receiver is gone. */
export async function writeBody(
  body: AsyncIterable<Uint8Array>,
  framing: Framing,
  write: (bytes: Uint8Array) => Promise<boolean>,
): Promise<boolean> {
  const isChunked = framing.kind === 'chunked'
  for await (const piece of body) {
    if (piece.length === 0) continue
    const bytes = isChunked ? Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, CRLF]) : piece
    if (!(await write(bytes))) return false
  }
  return isChunked ? write(LAST_CHUNK) : true
}
