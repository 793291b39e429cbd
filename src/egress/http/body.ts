import type { ByteReader } from './byte-reader.ts'
import { CutOff, TooLarge } from './byte-reader.ts'
import { BadMessage, type Framing } from './head.ts'
import type { Body } from './message.ts'

const PIECE_BYTES = 64 * 1024
const MOST_LINE_BYTES = 1_024
const MOST_TRAILER_BYTES = 8 * 1024
const CRLF = Buffer.from('\r\n')
const LAST_CHUNK = Buffer.from('0\r\n\r\n')

/** The body of a message with this framing; undefined: it has none. `onEnd`: it has been read to its end. */
export function bodyOf(reader: ByteReader, framing: Framing, badStatus: number, onEnd: () => void): Body | undefined {
  if (framing.kind === 'none') return undefined
  return { bytes: framing.kind === 'length' ? framing.bytes : undefined, content: readBody(reader, framing, badStatus, onEnd) }
}

/** The content of a body, piece by piece, its framing taken off. Throws CutOff, TooLarge and BadMessage. */
async function* readBody(reader: ByteReader, framing: Framing, badStatus: number, onEnd: () => void): AsyncGenerator<Uint8Array, void> {
  if (framing.kind === 'length') yield* exactly(reader, framing.bytes)
  else if (framing.kind === 'close') yield* untilEnd(reader)
  else if (framing.kind === 'chunked') yield* chunks(reader, badStatus)
  onEnd()
}

async function* untilEnd(reader: ByteReader): AsyncGenerator<Uint8Array, void> {
  for (let bytes = await reader.some(PIECE_BYTES); bytes !== undefined; bytes = await reader.some(PIECE_BYTES)) yield bytes
}

async function* chunks(reader: ByteReader, badStatus: number): AsyncGenerator<Uint8Array, void> {
  for (;;) {
    const size = chunkSize(await lineOf(reader, MOST_LINE_BYTES, badStatus), badStatus)
    if (size === 0) break
    yield* exactly(reader, size)
    await lineOf(reader, 0, badStatus)
  }
  // Trailers are dropped: what they may change was sent before.
  for (let left = MOST_TRAILER_BYTES; left > 0;) {
    const line = await lineOf(reader, left, badStatus)
    if (line === '') return
    left -= line.length + 2
  }
  throw new BadMessage(badStatus, 'too many trailers')
}

async function lineOf(reader: ByteReader, most: number, badStatus: number): Promise<string> {
  try {
    return await reader.line(most)
  } catch (error) {
    if (error instanceof TooLarge) throw new BadMessage(badStatus, 'a chunk is longer than it says, or its framing is too long')
    throw error
  }
}

/** An extension is bounded and dropped; a size that programs could read in two ways is refused. */
export function chunkSize(line: string, badStatus: number): number {
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

/** A body that is in memory. */
export function wholeBody(whole: Uint8Array): Body {
  return { bytes: whole.length, content: once(whole), whole }
}

async function* once(whole: Uint8Array): AsyncGenerator<Uint8Array, void> {
  if (whole.length > 0) yield whole
}

/** All of a body, which says that it is not too large for that. */
export async function gather(content: AsyncIterable<Uint8Array>): Promise<Body> {
  const pieces: Uint8Array[] = []
  for await (const piece of content) pieces.push(piece)
  return wholeBody(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces))
}

type Write = (bytes: Uint8Array) => Promise<boolean>

/** Writes a head and what follows it, in one piece where that is possible. False: the receiver is gone. */
export async function writeMessage(head: Uint8Array, body: Body | undefined, framing: Framing, write: Write): Promise<boolean> {
  if (body === undefined) return await write(head)
  if (body.whole !== undefined && framing.kind === 'length') return await write(Buffer.concat([head, body.whole]))
  if (!(await write(head))) return false
  const isChunked = framing.kind === 'chunked'
  for await (const piece of body.content) {
    if (piece.length === 0) continue
    const bytes = isChunked ? Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, CRLF]) : piece
    if (!(await write(bytes))) return false
  }
  return isChunked ? await write(LAST_CHUNK) : true
}
