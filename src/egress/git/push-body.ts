import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { ignore } from '../../lib/ignore.ts'
import { listOf } from '../http/head.ts'
import type { Incoming } from '../http/message.ts'

const EMPTY = new Uint8Array(0)

/** The body of a push, its encoding undone: read as far as needed, and passed on from its beginning. */
export class PushBody {
  /** Undefined: only its end tells. */
  readonly bytes: number | undefined
  readonly #content: AsyncIterator<Uint8Array>
  #seen: Uint8Array[] = []
  #problem: string | undefined

  private constructor(content: AsyncIterable<Uint8Array>, bytes: number | undefined) {
    this.#content = content[Symbol.asyncIterator]()
    this.bytes = bytes
  }

  /** A text: why its encoding cannot be undone. */
  static of({ head, body }: Incoming): PushBody | string {
    const codings = listOf(head.headers, 'content-encoding')
    if (body === undefined) return new PushBody(nothing(), 0)
    if (codings.length === 0) return new PushBody(body.content, body.bytes)
    if (codings.length > 1 || !['gzip', 'x-gzip', 'identity'].includes(codings[0] ?? '')) {
      return 'a push with an encoding that cannot be undone'
    }
    return codings[0] === 'identity' ? new PushBody(body.content, body.bytes) : new PushBody(gunzipped(body.content), undefined)
  }

  /** Why no more comes, where that is not the end. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** Everything read so far. */
  seen(): Uint8Array {
    if (this.#seen.length > 1) this.#seen = [Buffer.concat(this.#seen)]
    return this.#seen[0] ?? EMPTY
  }

  /** Reads a little more. False: no more comes. Rejects as the body does, unless its encoding is what is wrong. */
  async more(): Promise<boolean> {
    const piece = await this.#next()
    if (piece !== undefined) this.#seen.push(piece)
    return piece !== undefined
  }

  /** All of it. A text: it has more than `most` bytes, or `mayHold` has said no to some. */
  async whole(most: number, mayHold: (bytes: number) => boolean): Promise<Uint8Array | 'large' | 'full'> {
    let bytes = this.seen().length
    if (!mayHold(bytes)) return 'full'
    for (let piece = await this.#next(); piece !== undefined; piece = await this.#next()) {
      bytes += piece.length
      if (bytes > most) return 'large'
      if (!mayHold(piece.length)) return 'full'
      this.#seen.push(piece)
    }
    return this.seen()
  }

  /** From the beginning to the end. */
  async *rest(): AsyncGenerator<Uint8Array, void> {
    const seen = this.seen()
    this.#seen = []
    if (seen.length > 0) yield seen
    for (let piece = await this.#next(); piece !== undefined; piece = await this.#next()) yield piece
    if (this.#problem !== undefined) throw new TypeError(this.#problem)
  }

  /** Reads what a program still sends, for it looks for its answer only then. */
  async drain(most: number): Promise<void> {
    this.#seen = []
    for (let left = most; left > 0;) {
      const piece = await this.#next()
      if (piece === undefined) return
      left -= piece.length
    }
  }

  async #next(): Promise<Uint8Array | undefined> {
    try {
      const { value, done } = await this.#content.next()
      return done === true ? undefined : value
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && String(error.code).startsWith('Z_'))) throw error
      ignore(error, 'told as a problem')
      this.#problem = 'its gzip cannot be undone'
      return undefined
    }
  }
}

async function* nothing(): AsyncGenerator<Uint8Array, void> {}

function gunzipped(content: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const source = Readable.from(content, { objectMode: false })
  const gunzip = createGunzip()
  source.on('error', (error) => gunzip.destroy(error))
  return source.pipe(gunzip) as AsyncIterable<Uint8Array>
}
