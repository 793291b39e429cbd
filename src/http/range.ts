import { AppError } from '../contract/errors.ts'

/** A part of a file: `length` bytes from `offset`. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/**
 * The part that a `Range` header asks for, of a file of `size` bytes; undefined = all of it: no header, another unit than bytes, several
 * ranges, or a syntax that is none, which the standard says to ignore. `unsatisfiable`: nothing of the range exists.
 */
export function rangeOf(header: string | null, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/i.exec(header?.replaceAll(' ', '') ?? '')
  const [first, last] = [match?.[1] ?? '', match?.[2] ?? '']
  if (first === '' && last === '') return undefined
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { offset: size - length, length }
  }
  const offset = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (last !== '' && Number(last) < offset) return undefined
  return offset >= size ? 'unsatisfiable' : { offset, length: end - offset + 1 }
}

/**
 * Exactly the bytes that were announced: what the file has grown by meanwhile is left out, and when it has shrunk the stream fails.
 * Errors: `sandbox_lost`, which the client sees as a connection that breaks off.
 */
export async function* exactly(chunks: AsyncIterable<Uint8Array>, length: number): AsyncGenerator<Uint8Array> {
  let left = length
  for await (const chunk of chunks) {
    if (left === 0) return
    const part = chunk.length > left ? chunk.subarray(0, left) : chunk
    left -= part.length
    yield part
  }
  if (left > 0) throw new AppError('sandbox_lost', `the file ended ${left} bytes early`)
}
