import { isUtf8 } from 'node:buffer'

/** A piece of a stream as JSON can hold it. */
export interface TextPiece {
  readonly text: string
  readonly encoding?: 'base64'
}

/**
 * Cuts a stream of bytes into pieces of text. A character that the chunks split is kept for the next piece; a chunk that is not UTF-8
 * becomes base64, so that no byte is lost.
 */
export class TextPieces {
  #rest: Uint8Array = new Uint8Array()

  push(chunk: Uint8Array): TextPiece | undefined {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const whole = bytes.length - splitCharacter(bytes)
    // A copy: the rest must not keep a large chunk alive, nor change with it.
    this.#rest = new Uint8Array(bytes.subarray(whole))
    return whole === 0 ? undefined : pieceOf(bytes.subarray(0, whole))
  }

  /** What is left when the stream has ended. */
  end(): TextPiece | undefined {
    const rest = this.#rest
    this.#rest = new Uint8Array()
    return rest.length === 0 ? undefined : pieceOf(rest)
  }
}

export function pieceOf(bytes: Uint8Array): TextPiece {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return isUtf8(buffer) ? { text: buffer.toString('utf8') } : { text: buffer.toString('base64'), encoding: 'base64' }
}

/** How many bytes at the end begin a character of which more has to come. */
function splitCharacter(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) return 0
    // These begin no character.
    if (byte > 0xf4) return 0
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0
  }
  return 0
}
