import type { Headers } from '../head.ts'
import { HUFFMAN_BITS, STATIC_TABLE } from './hpack-tables.ts'

/** Header blocks of HTTP/2 (RFC 7541), read with bounds and written without a memory of what was written before. */
export const TABLE_BYTES = 4_096
/** What the headers of one block may come to, as the standard counts, and how many. */
export const MOST_LIST_BYTES = 64 * 1024
const MOST_FIELDS = 200
const ENTRY_OVERHEAD = 32

/** A block that cannot be read: the connection cannot go on. */
export class BadBlock extends Error {}

type Field = readonly [name: string, value: string]

/** Reads the blocks of one direction of a connection, each once and in order. */
export class HpackDecoder {
  /** The newest first. */
  readonly #dynamic: Field[] = []
  #size = 0
  #limit = TABLE_BYTES

  /** Throws BadBlock. Names and values are Latin-1, and anything may be in them. */
  decode(block: Uint8Array): Headers {
    const input = new Input(block)
    const fields: Field[] = []
    let bytes = 0
    while (!input.isAtEnd) {
      const field = this.#field(input, fields.length === 0)
      if (field === undefined) continue
      bytes += sizeOf(field)
      if (bytes > MOST_LIST_BYTES || fields.length === MOST_FIELDS) throw new BadBlock('too many headers')
      fields.push(field)
    }
    return fields
  }

  #field(input: Input, isFirst: boolean): Field | undefined {
    const first = input.peek()
    if ((first & 0x80) !== 0) return this.#entry(input.number(7))
    if ((first & 0xc0) === 0x40) {
      const field = this.#literal(input, 6)
      this.#add(field)
      return field
    }
    if ((first & 0xe0) !== 0x20) return this.#literal(input, 4)
    const limit = input.number(5)
    if (!isFirst || limit > TABLE_BYTES) throw new BadBlock('a change of the table where none may be')
    this.#limit = limit
    this.#evict()
    return undefined
  }

  #literal(input: Input, prefixBits: number): Field {
    const index = input.number(prefixBits)
    const name = index === 0 ? input.text() : this.#entry(index)[0]
    return [name, input.text()]
  }

  #entry(index: number): Field {
    const entry = index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : this.#dynamic[index - STATIC_TABLE.length - 1]
    if (entry === undefined) throw new BadBlock('an entry that does not exist')
    return entry
  }

  #add(field: Field): void {
    this.#dynamic.unshift(field)
    this.#size += sizeOf(field)
    this.#evict()
  }

  #evict(): void {
    while (this.#size > this.#limit) this.#size -= sizeOf(this.#dynamic.pop()!)
  }
}

const sizeOf = ([name, value]: Field): number => name.length + value.length + ENTRY_OVERHEAD

class Input {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length
  }

  peek(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw new BadBlock('it ends too early')
    return byte
  }

  /** An integer whose first bits are the last `prefixBits` of the next byte (5.1). */
  number(prefixBits: number): number {
    const most = (1 << prefixBits) - 1
    let value = this.#next() & most
    if (value < most) return value
    for (let shift = 0; ; shift += 7) {
      const byte = this.#next()
      value += (byte & 0x7f) * 2 ** shift
      if ((byte & 0x80) === 0) break
      // 2^28 is far more than a block can hold.
      if (shift >= 21) throw new BadBlock('a number that is too large')
    }
    return value
  }

  text(): string {
    const isHuffman = (this.peek() & 0x80) !== 0
    const length = this.number(7)
    const bytes = this.#bytes.subarray(this.#at, this.#at + length)
    if (bytes.length < length) throw new BadBlock('it ends too early')
    this.#at += length
    return isHuffman ? huffmanText(bytes) : Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('latin1')
  }

  #next(): number {
    const byte = this.peek()
    this.#at++
    return byte
  }
}

/** Two numbers for each node of the tree of codes, for the bits 0 and 1: above zero another node, below it a byte and 1, negated. */
const TREE = tree()

function tree(): Int16Array {
  const nodes = new Int16Array(2 * 512)
  let count = 1
  const order = HUFFMAN_BITS.map((bits, byte) => ({ bits, byte })).toSorted((a, b) => a.bits - b.bits || a.byte - b.byte)
  let code = 0
  let before = 0
  for (const { bits, byte } of order) {
    code *= 2 ** (bits - before)
    before = bits
    let node = 0
    for (let bit = bits - 1; bit > 0; bit--) {
      const at = 2 * node + ((code >>> bit) & 1)
      if (nodes[at] === 0) nodes[at] = count++
      node = nodes[at]!
    }
    nodes[2 * node + (code & 1)] = -(byte + 1)
    code++
  }
  return nodes
}

function huffmanText(bytes: Uint8Array): string {
  const out = Buffer.allocUnsafe(Math.ceil((bytes.length * 8) / 5))
  let length = 0
  let node = 0
  // Bits since the last byte, and whether all of them are 1: what is left at the end must be.
  let open = 0
  let areOnes = true
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      const value = (byte >> bit) & 1
      const next = TREE[2 * node + value]!
      open++
      areOnes = areOnes && value === 1
      if (next === 0) throw new BadBlock('a code that does not exist')
      if (next > 0) {
        node = next
        continue
      }
      out[length++] = -next - 1
      node = 0
      open = 0
      areOnes = true
    }
  }
  if (open > 7 || !areOnes) throw new BadBlock('a text that ends within a code')
  return out.toString('latin1', 0, length)
}

const FULL = new Map<string, number>(STATIC_TABLE.map(([name, value], index) => [`${name}\n${value}`, index + 1]))
const NAMES = new Map<string, number>(STATIC_TABLE.map(([name], index): [string, number] => [name, index + 1]).toReversed())
/** No one on the way may keep these in a table. */
const SENSITIVE = new Set(['authorization', 'cookie', 'set-cookie', 'proxy-authorization', 'x-api-key', 'api-key', 'x-goog-api-key'])

/** `headers` are checked: names in lower case, pseudo headers first. */
export function encodeBlock(headers: Headers): Buffer {
  const out: number[] = []
  const pieces: Buffer[] = []
  const flush = (): void => {
    if (out.length > 0) pieces.push(Buffer.from(out.splice(0)))
  }
  const text = (value: string): void => {
    putNumber(out, 0, 7, value.length)
    flush()
    pieces.push(Buffer.from(value, 'latin1'))
  }
  for (const [name, value] of headers) {
    const full = FULL.get(`${name}\n${value}`)
    if (full !== undefined) {
      putNumber(out, 0x80, 7, full)
      continue
    }
    const index = NAMES.get(name) ?? 0
    putNumber(out, SENSITIVE.has(name) ? 0x10 : 0, 4, index)
    if (index === 0) text(name)
    text(value)
  }
  flush()
  return Buffer.concat(pieces)
}

function putNumber(out: number[], flags: number, prefixBits: number, value: number): void {
  const most = (1 << prefixBits) - 1
  if (value < most) {
    out.push(flags | value)
    return
  }
  out.push(flags | most)
  let left = value - most
  for (; left >= 0x80; left >>>= 7) out.push((left & 0x7f) | 0x80)
  out.push(left)
}
