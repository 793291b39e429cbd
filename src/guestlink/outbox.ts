import { FRAME, FRAME_HEADER_BYTES } from '../contract/guest-protocol.ts'
import { encodeFrame, putHeader } from './frame.ts'
import type { Piece, Sender } from './sender.ts'

/** Most bytes in one write: several frames of DATA, and little for a PONG to wait behind. */
const BATCH_BYTES = 256 * 1024
/** Answers to PING that may wait for the other side to read. */
const MOST_PONGS = 1_000
const DATA_HEADER_BYTES = FRAME_HEADER_BYTES + 1

/**
 * What waits to be sent on one connection. Everything but DATA goes first; DATA of several streams takes turns, a frame each. All
 * that is asked for within one turn of the event loop leaves in one write.
 */
export class Outbox {
  /** Answers how many bytes the kernel took; negative when the connection is closed. */
  readonly #write: (bytes: Uint8Array) => number
  readonly #control: Uint8Array[] = []
  #controlBytes = 0
  #pongs = 0
  /** Senders that have something to send and may. */
  readonly #ready: Sender[] = []
  /** What the kernel did not take. */
  #rest: Uint8Array | undefined
  #scheduled = false
  #closed = false
  #whenEmpty: (() => void) | undefined

  constructor(write: (bytes: Uint8Array) => number) {
    this.#write = write
  }

  /** Sends a frame of any type but DATA and EOF. */
  control(frame: Uint8Array): void {
    if (this.#closed) return
    this.#control.push(frame)
    this.#controlBytes += frame.length
    this.#schedule()
  }

  /** False when the other side asks and asks without reading the answers. */
  pong(payload: Uint8Array): boolean {
    this.#pongs++
    this.control(encodeFrame(FRAME.pong, 0, payload))
    return this.#pongs <= MOST_PONGS
  }

  /** Calls `then` once, as soon as everything has been given to the kernel. */
  whenEmpty(then: () => void): void {
    this.#whenEmpty = then
    this.#schedule()
  }

  /** A sender got something to send, or leave to send it. */
  readonly wake = (sender: Sender): void => {
    if (sender.isQueued || !sender.maySend || this.#closed) return
    sender.isQueued = true
    this.#ready.push(sender)
    this.#schedule()
  }

  /** The kernel takes more. */
  drained(): void {
    const rest = this.#rest
    if (rest === undefined) return
    this.#rest = undefined
    if (this.#give(rest)) this.flush()
  }

  /** Gives up what still waits. */
  close(): void {
    this.#closed = true
    this.#control.length = 0
    this.#ready.length = 0
    this.#rest = undefined
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.flush()
    })
  }

  /** Writes what waits and goes; it happens by itself, except where there is no later. */
  flush(): void {
    while (this.#rest === undefined && !this.#closed) {
      const batch = this.#build()
      if (batch === undefined) {
        this.#whenEmpty?.()
        this.#whenEmpty = undefined
        return
      }
      if (!this.#give(batch)) return
    }
  }

  /** True when all of it was taken. */
  #give(bytes: Uint8Array): boolean {
    const taken = this.#write(bytes)
    if (taken < 0) {
      this.close()
      return false
    }
    if (taken < bytes.length) this.#rest = bytes.subarray(taken)
    return taken >= bytes.length
  }

  #build(): Uint8Array | undefined {
    const pieces: Piece[] = []
    let size = this.#controlBytes
    while (size < BATCH_BYTES && this.#ready.length > 0) {
      const sender = this.#ready.shift()!
      sender.isQueued = false
      const piece = sender.take()
      if (piece === undefined) continue
      pieces.push(piece)
      size += DATA_HEADER_BYTES + piece.bytes.length
      if (!sender.maySend) continue
      sender.isQueued = true
      this.#ready.push(sender)
    }
    if (size === 0) return undefined
    const batch = pieces.length === 0 && this.#control.length === 1 ? this.#control[0]! : this.#copy(pieces, size)
    this.#control.length = 0
    this.#controlBytes = 0
    this.#pongs = 0
    return batch
  }

  #copy(pieces: readonly Piece[], size: number): Uint8Array {
    const batch = new Uint8Array(Buffer.allocUnsafeSlow(size).buffer)
    let at = 0
    for (const frame of this.#control) {
      batch.set(frame, at)
      at += frame.length
    }
    for (const { stream, channel, bytes } of pieces) {
      // DATA is never empty, so that an empty piece is the end of its channel.
      putHeader(batch, at, bytes.length === 0 ? FRAME.eof : FRAME.data, stream, 1 + bytes.length)
      batch[at + FRAME_HEADER_BYTES] = channel
      batch.set(bytes, at + DATA_HEADER_BYTES)
      at += DATA_HEADER_BYTES + bytes.length
    }
    return batch
  }
}
