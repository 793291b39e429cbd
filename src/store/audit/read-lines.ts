import { readSync } from 'node:fs'

/** One line of a file. */
export interface Line {
  /** The bytes, without the newline; empty when `overlong`. Valid until the next batch is asked for. */
  readonly bytes: Buffer
  /** Where the line begins in the file. */
  readonly offset: number
  /** False for a last line that has no newline. */
  readonly ended: boolean
  /** True for a line of more than `LONGEST_LINE` bytes, which is counted but not kept. */
  readonly overlong: boolean
}

/** More than any record of this log can have, and little enough to hold in memory. */
export const LONGEST_LINE = 8 * 1024 * 1024

const CHUNK_BYTES = 256 * 1024

/**
 * The lines of an open file between two offsets, in batches, with flat memory however long the file or a line is. The reads are
 * synchronous, which is several times faster than asking for each, and other tasks get their turn between batches.
 */
export async function* readLines(fd: number, from: number, to: number): AsyncGenerator<readonly Line[]> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  let start = from
  let held: Buffer[] = []
  let heldBytes = 0
  const finish = (rest: Buffer, ended: boolean): Line => {
    const overlong = heldBytes + rest.length > LONGEST_LINE
    const bytes = overlong ? Buffer.alloc(0) : held.length === 0 ? rest : Buffer.concat([...held, rest])
    const line = { bytes, offset: start, ended, overlong }
    start += heldBytes + rest.length + 1
    held = []
    heldBytes = 0
    return line
  }
  for (let position = from; position < to;) {
    const size = readSync(fd, chunk, 0, Math.min(CHUNK_BYTES, to - position), position)
    if (size === 0) break
    position += size
    const batch: Line[] = []
    let begin = 0
    for (let end = chunk.indexOf(10); end !== -1 && end < size; end = chunk.indexOf(10, begin)) {
      batch.push(finish(chunk.subarray(begin, end), true))
      begin = end + 1
    }
    if (begin < size) {
      heldBytes += size - begin
      if (heldBytes <= LONGEST_LINE) held.push(Buffer.from(chunk.subarray(begin, size)))
      else held = []
    }
    if (batch.length > 0) yield batch
    await new Promise(setImmediate)
  }
  if (heldBytes > 0) yield [finish(Buffer.alloc(0), false)]
}

const BLOCK_BYTES = 64 * 1024

/** The lines that are not empty, from the last to the first, between the start of the file and `to`. Reads only as far as the caller asks. */
export function* readLinesBackwards(fd: number, to: number): Generator<Omit<Line, 'ended'>> {
  let held: Buffer[] = []
  let heldBytes = 0
  const hold = (part: Buffer) => {
    heldBytes += part.length
    held = heldBytes > LONGEST_LINE ? [] : [part, ...held]
  }
  const take = (offset: number) => {
    const line = { bytes: Buffer.concat(held), offset, overlong: heldBytes > LONGEST_LINE }
    const empty = heldBytes === 0
    held = []
    heldBytes = 0
    return empty ? [] : [line]
  }
  let position = to
  while (position > 0) {
    const block = Buffer.alloc(Math.min(BLOCK_BYTES, position))
    position -= block.length
    readFully(fd, block, position)
    let end = block.length
    for (let newline = block.lastIndexOf(10); newline !== -1; newline = end === 0 ? -1 : block.lastIndexOf(10, end - 1)) {
      hold(block.subarray(newline + 1, end))
      yield* take(position + newline + 1)
      end = newline
    }
    hold(block.subarray(0, end))
  }
  yield* take(0)
}

/** Fills `buffer` from `position`, as far as the file goes; answers how many bytes there were. */
export function readFully(fd: number, buffer: Buffer, position: number): number {
  let done = 0
  while (done < buffer.length) {
    const size = readSync(fd, buffer, done, buffer.length - done, position + done)
    if (size === 0) break
    done += size
  }
  return done
}
