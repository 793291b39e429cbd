import { BadMessage } from '../head.ts'
import type { H2Stream } from './stream.ts'

/** The content of a stream. It must have the length that was named: with HTTP/1 on the other side the rest would be another message. */
export async function* contentOfStream(stream: H2Stream, length: number | undefined, status: number): AsyncGenerator<Uint8Array, void> {
  let left = length ?? Number.POSITIVE_INFINITY
  for (let bytes = await stream.read(); bytes !== undefined; bytes = await stream.read()) {
    left -= bytes.length
    if (left < 0) throw new BadMessage(status, 'the content is longer than Content-Length says')
    yield bytes
  }
  if (length !== undefined && left > 0) throw new BadMessage(status, 'the content is shorter than Content-Length says')
}

/** False: the stream is gone. Throws what the content throws. */
export async function writeContent(stream: H2Stream, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<boolean> {
  for await (const piece of content) if (!(await stream.write(piece))) return false
  return true
}
