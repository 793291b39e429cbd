import type { Channel } from '../contract/guest-protocol.ts'

interface Bytes {
  readonly channel: Channel
  bytes: Uint8Array
  /** `bytes` is the beginning of this memory of our own, which has room for more. */
  room?: Uint8Array
}
/** Anything else that stands between bytes, and the credit it used. */
interface Other<T> {
  readonly value: T
  readonly cost: number
}

interface Reader<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void
  readonly reject: (error: unknown) => void
}

/** Pieces that are put together grow up to this, in bytes. */
const MOST_GATHERED = 64 * 1024
/** A piece that is a smaller part of what it was received in is copied, or a few bytes would keep all of that alive. */
const LEAST_PART = 1 / 4
const DONE = { done: true, value: undefined } as const

/**
 * What one stream received and its reader has not taken yet. Credit bounds the bytes, and this what a hostile sender makes of them:
 * however small its pieces, the memory is a small multiple of their bytes. For one reader, once.
 *
 * A reader who leaves early is told to `left`; what comes afterwards is dropped and counts as taken, so that its sender never waits.
 */
export class ChunkQueue<T> implements AsyncIterable<T> {
  readonly #shape: (channel: Channel, bytes: Uint8Array) => T
  readonly #taken: (cost: number) => void
  readonly #left: () => void
  #items: (Bytes | Other<T>)[] = []
  readonly #readers: Reader<T>[] = []
  #end: { readonly error?: unknown } | undefined
  #isDropping = false

  /** `shape` makes of bytes what the reader gets. `taken`: so much credit can be given back. */
  constructor(events: {
    readonly shape: (channel: Channel, bytes: Uint8Array) => T
    readonly taken: (cost: number) => void
    readonly left?: () => void
  }) {
    this.#shape = events.shape
    this.#taken = events.taken
    this.#left = events.left ?? (() => undefined)
  }

  push(channel: Channel, bytes: Uint8Array): void {
    if (this.#isDropping || this.#readers.length > 0) this.#hand(() => this.#shape(channel, bytes), bytes.length)
    else if (!this.#gather(channel, bytes)) {
      const isSmallPart = bytes.length < bytes.buffer.byteLength * LEAST_PART
      this.#items.push({ channel, bytes: isSmallPart ? bytes.slice() : bytes })
    }
  }

  /** Something that is not bytes, in its place among them. */
  pushValue(value: T, cost: number): void {
    if (this.#isDropping || this.#readers.length > 0) this.#hand(() => value, cost)
    else this.#items.push({ value, cost })
  }

  /** No more comes; with `error` the reader gets it after what is there. Only the first call counts. */
  end(error?: unknown): void {
    if (this.#end !== undefined) return
    this.#end = error === undefined || this.#readers.length > 0 ? {} : { error }
    for (const { resolve, reject } of this.#readers.splice(0)) {
      if (error === undefined) resolve(DONE)
      else reject(error)
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return { next: () => this.#next(), return: () => this.#return() }
  }

  #next(): Promise<IteratorResult<T, undefined>> {
    const item = this.#items.shift()
    if (item !== undefined) return Promise.resolve({ done: false, value: this.#take(item) })
    if (this.#isDropping) return Promise.resolve(DONE)
    const end = this.#end
    if (end === undefined) return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }))
    if (!('error' in end)) return Promise.resolve(DONE)
    // An iteration that has failed is over: the error is told once.
    this.#end = {}
    return Promise.reject(end.error)
  }

  #return(): Promise<IteratorResult<T, undefined>> {
    const cost = this.#items.reduce((sum, item) => sum + costOf(item), 0)
    this.#isDropping = true
    this.#items = []
    for (const { resolve } of this.#readers.splice(0)) resolve(DONE)
    if (cost > 0) this.#taken(cost)
    if (this.#end === undefined) this.#left()
    return Promise.resolve(DONE)
  }

  #hand(value: () => T, cost: number): void {
    this.#taken(cost)
    this.#readers.shift()?.resolve({ done: false, value: value() })
  }

  #take(item: Bytes | Other<T>): T {
    this.#taken(costOf(item))
    return 'bytes' in item ? this.#shape(item.channel, item.bytes) : item.value
  }

  /** Adds small bytes to what waits of their channel; with two channels in turns that is the last piece or the one before it. */
  #gather(channel: Channel, bytes: Uint8Array): boolean {
    for (let back = 1; back <= 2; back++) {
      const item = this.#items.at(-back)
      if (item === undefined || !('bytes' in item)) return false
      if (item.channel === channel) return grow(item, bytes)
    }
    return false
  }
}

function grow(item: Bytes, bytes: Uint8Array): boolean {
  const before = item.bytes.length
  const length = before + bytes.length
  if (length > MOST_GATHERED) return false
  if (item.room === undefined || item.room.length < length) {
    // Twice as much each time, so that a byte is copied a few times at most.
    item.room = new Uint8Array(Math.min(MOST_GATHERED, 2 * length))
    item.room.set(item.bytes)
  }
  item.room.set(bytes, before)
  item.bytes = item.room.subarray(0, length)
  return true
}

function costOf(item: Bytes | Other<unknown>): number {
  return 'bytes' in item ? item.bytes.length : item.cost
}
