import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync, zstdDecompressSync } from 'node:zlib'
import { ignore } from '../../lib/ignore.ts'
import type { BodyFilter } from '../types.ts'

/** Most of a compressed body, and of what it unpacks to, in bytes. */
const MOST_PACKED = 16 * 1024 ** 2
const MOST_UNPACKED = 64 * 1024 ** 2
const NOTHING = new Uint8Array(0)
const OPTIONS = { maxOutputLength: MOST_UNPACKED }

/**
 * For a server that compresses although it was asked not to: its body is collected, unpacked and given to `inner`. What cannot be
 * looked into does not pass. The caller takes `content-encoding` out of the head.
 */
export function encodedBody(encodings: readonly string[], inner: BodyFilter): BodyFilter {
  const chunks: Uint8Array[] = []
  let size = 0
  let blocked: string | undefined
  return {
    changesLength: true,
    push: (chunk) => {
      if (blocked !== undefined) return NOTHING
      size += chunk.length
      if (size > MOST_PACKED) {
        blocked = `the server compressed a body of more than ${MOST_PACKED} bytes, although it was asked not to, so it cannot be searched`
        chunks.length = 0
        return NOTHING
      }
      chunks.push(chunk)
      return NOTHING
    },
    end: () => {
      if (blocked !== undefined) return NOTHING
      if (size === 0) return inner.end()
      const plain = unpacked(encodings, Buffer.concat(chunks))
      if (plain === undefined) {
        blocked = 'the body is compressed in a way that cannot be undone here, so it cannot be searched for secrets'
        return NOTHING
      }
      return Buffer.concat([inner.push(plain), inner.end()])
    },
    get blocked() {
      return blocked ?? inner.blocked
    },
  }
}

/** The encodings of a response, in the order in which they were applied; `identity` left out. */
export function encodingsOf(headers: readonly (readonly [string, string])[]): readonly string[] {
  return headers
    .filter(([name]) => name.toLowerCase() === 'content-encoding')
    .flatMap(([, value]) => value.toLowerCase().split(','))
    .map((encoding) => encoding.trim())
    .filter((encoding) => encoding !== '' && encoding !== 'identity')
}

function unpacked(encodings: readonly string[], packed: Buffer): Buffer | undefined {
  try {
    return encodings.toReversed().reduce(undo, packed)
  } catch (error) {
    ignore(error, 'what a server sends may be anything')
    return undefined
  }
}

function undo(bytes: Buffer, encoding: string): Buffer {
  switch (encoding) {
    case 'gzip':
    case 'x-gzip':
      return gunzipSync(bytes, OPTIONS)
    case 'br':
      return brotliDecompressSync(bytes, OPTIONS)
    case 'zstd':
      return zstdDecompressSync(bytes, OPTIONS)
    case 'deflate':
      // Half of the world sends it without the header that the standard wants.
      return (bytes[0]! & 0x0f) === 8 ? inflateSync(bytes, OPTIONS) : inflateRawSync(bytes, OPTIONS)
    default:
      throw new TypeError('an encoding that we do not know')
  }
}
