/** Datagrams on a stream of bytes: each with its length before it, two bytes, little-endian. */
const LENGTH_BYTES = 2
const MOST_DATAGRAM_BYTES = 65_535

/** A datagram as it is sent; one that is too long for the format is cut off, as a network would. */
export function withLength(datagram: Uint8Array): Uint8Array {
  const length = Math.min(datagram.length, MOST_DATAGRAM_BYTES)
  const bytes = new Uint8Array(LENGTH_BYTES + length)
  bytes[0] = length
  bytes[1] = length >>> 8
  bytes.set(datagram.length === length ? datagram : datagram.subarray(0, length), LENGTH_BYTES)
  return bytes
}

/** Cuts what comes into datagrams, whatever pieces it comes in. Keeps one datagram and a piece at most. */
export class DatagramCutter {
  #rest: Uint8Array = new Uint8Array(0)

  /** Call only when `next` has nothing: what is kept is copied each time. */
  push(chunk: Uint8Array): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
  }

  /** The next datagram, a view of what was pushed; undefined while it is not complete. */
  next(): Uint8Array | undefined {
    const rest = this.#rest
    if (rest.length < LENGTH_BYTES) return undefined
    const end = LENGTH_BYTES + (rest[0]! | (rest[1]! << 8))
    if (rest.length < end) return undefined
    this.#rest = rest.subarray(end)
    return rest.subarray(LENGTH_BYTES, end)
  }
}
