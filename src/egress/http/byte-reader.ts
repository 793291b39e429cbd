import type { Pipe } from './pipe.ts'

const EMPTY = new Uint8Array(0)
const END_OF_HEAD = Buffer.from('\r\n\r\n')
const END_OF_LINE = Buffer.from('\r\n')

/** What a reader found instead of what it looked for. */
export class CutOff extends Error {}
export class TooLarge extends Error {}

/** Reads a pipe in the pieces that HTTP has. Keeps what came too early. For one reader at a time. */
export class ByteReader {
  readonly #pipe: Pick<Pipe, 'read'>
  #rest: Uint8Array
  #next: Promise<Uint8Array | undefined> | undefined

  constructor(pipe: Pick<Pipe, 'read'>, first: Uint8Array = EMPTY) {
    this.#pipe = pipe
    this.#rest = first
  }

  /** True when something waits to be read. */
  get hasRest(): boolean {
    return this.#rest.length > 0
  }

  /** Settles when something comes, or with false when nothing more will; whoever reads next gets it. Never rejects. */
  peek(): Promise<boolean> {
    if (this.hasRest) return Promise.resolve(true)
    this.#next ??= this.#pipe.read()
    return this.#next.then(isSomething, isNothing)
  }

  /** Everything up to the empty line that ends a head, as Latin-1 without that line; undefined: the end came before anything. */
  head(most: number): Promise<string | undefined> {
    return this.#until(END_OF_HEAD, most)
  }

  /** A line of chunked framing, without its end. */
  async line(most: number): Promise<string> {
    const line = await this.#until(END_OF_LINE, most)
    if (line === undefined) throw new CutOff('the message was cut off')
    return line
  }

  /** The next bytes, at most `most`; undefined: no more come. */
  async some(most: number): Promise<Uint8Array | undefined> {
    let bytes: Uint8Array | undefined = this.#rest
    while (bytes !== undefined && bytes.length === 0) bytes = await this.#read()
    if (bytes === undefined) return undefined
    this.#rest = bytes.length > most ? bytes.subarray(most) : EMPTY
    return bytes.length > most ? bytes.subarray(0, most) : bytes
  }

  async #until(mark: Buffer, most: number): Promise<string | undefined> {
    let from = 0
    for (;;) {
      const rest = Buffer.from(this.#rest.buffer, this.#rest.byteOffset, this.#rest.length)
      const at = rest.indexOf(mark, from)
      if (at >= 0 && at <= most) {
        this.#rest = this.#rest.subarray(at + mark.length)
        return rest.toString('latin1', 0, at)
      }
      if (at > most || rest.length >= most + mark.length) throw new TooLarge(`more than ${most} bytes`)
      from = Math.max(0, rest.length - mark.length + 1)
      const more = await this.#read()
      if (more === undefined) {
        if (rest.length === 0) return undefined
        throw new CutOff('the message was cut off')
      }
      this.#rest = rest.length === 0 ? more : Buffer.concat([rest, more])
    }
  }

  #read(): Promise<Uint8Array | undefined> {
    const next = this.#next
    if (next === undefined) return this.#pipe.read()
    this.#next = undefined
    return next
  }
}

const isSomething = (bytes: Uint8Array | undefined): boolean => bytes !== undefined
const isNothing = (): boolean => false
