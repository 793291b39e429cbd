/**
 * What a git delta makes of its base: two sizes, then instructions. A byte with its top bit set copies from the base (its other bits say
 * which bytes of offset and size follow), any other adds so many bytes that follow. Undefined: it is none, or makes more than `most`.
 */
export function applyDelta(base: Buffer, delta: Buffer, most: number): Buffer | undefined {
  const reader = { at: 0 }
  if (readSize(delta, reader) !== base.length) return undefined
  const size = readSize(delta, reader)
  if (size === undefined || size > most) return undefined
  const made = Buffer.alloc(size)
  let to = 0
  while (reader.at < delta.length) {
    const op = delta[reader.at++]!
    if (op === 0) return undefined
    const copy = (op & 0x80) !== 0
    const from = copy ? readBits(delta, reader, op, 4) : reader.at
    const length = copy ? readBits(delta, reader, op >> 4, 3) || 0x10000 : op
    const source = copy ? base : delta
    if (!copy) reader.at += length
    if (from + length > source.length || to + length > size) return undefined
    source.copy(made, to, from, from + length)
    to += length
  }
  return to === size ? made : undefined
}

function readSize(delta: Buffer, reader: { at: number }): number | undefined {
  let size = 0
  for (let factor = 1; factor <= 2 ** 35; factor *= 128) {
    const byte = delta[reader.at++]
    if (byte === undefined) return undefined
    size += (byte & 0x7f) * factor
    if ((byte & 0x80) === 0) return size
  }
  return undefined
}

/** A number of up to `count` bytes, the lowest first, of which only those are there whose bit is set. Bytes that are missing make it too large. */
function readBits(delta: Buffer, reader: { at: number }, bits: number, count: number): number {
  let value = 0
  for (let index = 0; index < count; index++) {
    if ((bits & (1 << index)) === 0) continue
    const byte = delta[reader.at++]
    if (byte === undefined) return Number.MAX_SAFE_INTEGER
    value += byte * 2 ** (8 * index)
  }
  return value
}
