/** Bytes that came and were not taken yet. Small pieces are gathered, so that memory stays a small multiple of the bytes. */
const GATHERED_BYTES = 16 * 1024

interface Reader {
  readonly resolve: (chunk: Uint8Array | undefined) => void
  readonly reject: (error: Error) => void
}

/** Chunks for one reader. It does not bound itself: whoever pushes looks at `length` and stops the source. */
export class ByteQueue {
  #chunks: Uint8Array[] = []
  #reader: Reader | undefined
  /** Room behind the last chunk, which is a view of its beginning. */
  #room: Uint8Array | undefined
  #end: { readonly error?: Error } | undefined
  /** Bytes that wait. */
  length = 0

  push(chunk: Uint8Array): void {
    if (this.#end !== undefined || chunk.length === 0) return
    const reader = this.#reader
    if (reader !== undefined) {
      this.#reader = undefined
      reader.resolve(chunk)
      return
    }
    this.length += chunk.length
    if (!this.#gather(chunk)) this.#chunks.push(chunk)
  }

  /** No more comes; with `error` the reader gets it after what is there, each time. Only the first call counts. */
  end(error?: Error): void {
    if (this.#end !== undefined) return
    this.#end = error === undefined ? {} : { error }
    const reader = this.#reader
    this.#reader = undefined
    if (error === undefined) reader?.resolve(undefined)
    else reader?.reject(error)
  }

  /** Drops what waits; then as `end`. */
  fail(error: Error): void {
    this.#chunks = []
    this.length = 0
    this.#room = undefined
    this.end(error)
  }

  /** The next chunk; undefined: no more comes. */
  take(): Promise<Uint8Array | undefined> {
    const chunk = this.#chunks.shift()
    if (chunk !== undefined) {
      this.length -= chunk.length
      if (this.#chunks.length === 0) this.#room = undefined
      return Promise.resolve(chunk)
    }
    if (this.#end?.error !== undefined) return Promise.reject(this.#end.error)
    if (this.#end !== undefined) return Promise.resolve(undefined)
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject }
    })
  }

  #gather(chunk: Uint8Array): boolean {
    const last = this.#chunks.at(-1)
    if (last === undefined || last.length + chunk.length > GATHERED_BYTES) {
      this.#room = undefined
      return false
    }
    if (this.#room === undefined) {
      this.#room = new Uint8Array(GATHERED_BYTES)
      this.#room.set(last)
    }
    this.#room.set(chunk, last.length)
    this.#chunks[this.#chunks.length - 1] = this.#room.subarray(0, last.length + chunk.length)
    return true
  }
}
