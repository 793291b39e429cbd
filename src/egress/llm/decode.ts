import type { Transform } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib'
import { ignore } from '../../lib/ignore.ts'

/** A body as it goes by. `ended` settles when all of it has been looked at; it never rejects. */
export interface BodyReader {
  push(bytes: Uint8Array): void
  end(): Promise<void>
  /** True: some of the body could not be read. */
  readonly failed: boolean
}

/** What may wait to be unpacked, in bytes; the traffic does not wait for us. */
const WAITING_BYTES = 8 * 1024 ** 2
/** Most that is unpacked of one body, in bytes. */
const UNPACKED_BYTES = 256 * 1024 ** 2
/** A small body can hold a very large one, and a sandbox could have us unpack it all day: text packs to a tenth, hardly ever to this. */
const MOST_TIMES = 100
const FREE_BYTES = 1024 ** 2

const UNPACKERS: Readonly<Record<string, () => Transform>> = {
  gzip: () => createGunzip(),
  'x-gzip': () => createGunzip(),
  deflate: () => createInflate(),
  br: () => createBrotliDecompress(),
  zstd: () => createZstdDecompress(),
}

/** Gives a body's bytes to `read`, unpacked by the value of its Content-Encoding. What has several encodings, or an unknown one, fails. */
export function bodyReader(encoding: string | undefined, read: (bytes: Uint8Array) => void): BodyReader {
  const name = encoding?.trim().toLowerCase() ?? ''
  if (name === '' || name === 'identity') return { push: read, end: () => Promise.resolve(), failed: false }
  const unpacker = Object.hasOwn(UNPACKERS, name) ? UNPACKERS[name] : undefined
  if (unpacker === undefined) return { push: () => undefined, end: () => Promise.resolve(), failed: true }
  return new Unpacking(unpacker, read)
}

/** Unpacks beside the traffic; made at the first byte, because most requests have no packed body. */
class Unpacking implements BodyReader {
  readonly #make: () => Transform
  readonly #read: (bytes: Uint8Array) => void
  #stream: Transform | undefined
  #packed = 0
  #unpacked = 0
  #done = Promise.withResolvers<void>()
  #isDone = false
  failed = false

  constructor(make: () => Transform, read: (bytes: Uint8Array) => void) {
    this.#make = make
    this.#read = read
  }

  push(bytes: Uint8Array): void {
    if (this.failed || bytes.length === 0) return
    this.#packed += bytes.length
    const stream = (this.#stream ??= this.#start())
    if (stream.writableLength + bytes.length > WAITING_BYTES) this.#giveUp()
    // The bytes belong to the connection, which may use their place again before they are unpacked.
    else if (!this.#isDone) stream.write(Buffer.from(bytes))
  }

  end(): Promise<void> {
    if (this.#stream === undefined || this.failed) return Promise.resolve()
    if (!this.#isDone) this.#stream.end()
    return this.#done.promise
  }

  #start(): Transform {
    const stream = this.#make()
    const finish = (): void => {
      this.#isDone = true
      this.#done.resolve()
    }
    stream.on('data', (bytes: Uint8Array) => {
      this.#unpacked += bytes.length
      if (this.#unpacked > Math.min(UNPACKED_BYTES, FREE_BYTES + this.#packed * MOST_TIMES)) this.#giveUp()
      else if (!this.failed) this.#read(bytes)
    })
    stream.on('end', finish)
    stream.on('close', finish)
    stream.on('error', (error) => {
      ignore(error, 'a body that is cut off, or packed otherwise than it says: what came out of it counts')
      this.failed = true
      finish()
    })
    return stream
  }

  #giveUp(): void {
    this.failed = true
    this.#stream?.destroy()
  }
}
