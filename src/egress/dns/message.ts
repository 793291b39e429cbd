import type { RecordField } from '../types.ts'

/**
 * DNS messages (RFC 1035, EDNS0 of RFC 6891), as far as a server needs them: questions are read, answers are written.
 *
 *     head: id, flags, counts of questions, answers, authorities and additions, 2 bytes each
 *     question: name, type, class; record: name, type, class, TTL (4 bytes), length of what follows
 */
export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  SVCB: 64,
  HTTPS: 65,
  ANY: 255,
  CAA: 257,
} as const
export const RCODE = { ok: 0, formatError: 1, serverFailure: 2, noSuchName: 3, notImplemented: 4, refused: 5 } as const
export type Rcode = (typeof RCODE)[keyof typeof RCODE]
export const CLASS_IN = 1

const HEAD_BYTES = 12
const MOST_NAME_BYTES = 255
const MOST_LABEL_BYTES = 63
/** A pointer leads to an earlier place, so that there cannot be many; this bounds the work too. */
const MOST_POINTERS = 16
/** What a client without EDNS reads, and what we send at most to one with it. */
const PLAIN_UDP_BYTES = 512
const MOST_UDP_BYTES = 4_096
const MOST_ADDITIONS = 16

export interface Query {
  readonly id: number
  readonly opcode: number
  readonly recursionDesired: boolean
  /** As asked, in the letters asked: answers repeat it (0x20 encoding). No trailing dot; the root is ''. */
  readonly name: string
  readonly type: number
  readonly class: number
  /** Size of an answer by UDP that the client reads. */
  readonly udpBytes: number
  readonly hasEdns: boolean
}

/** `answers`: undefined fields make no record. */
export interface Answer {
  readonly rcode: Rcode
  readonly records?: readonly AnswerRecord[]
}
export interface AnswerRecord {
  /** Default: the name asked for. */
  readonly name?: string
  readonly type: number
  readonly ttlS: number
  readonly fields: readonly RecordField[]
}

/** A question that can be answered; a number: only this code can be, to the id of the message; undefined: nothing can. */
export function parseQuery(bytes: Uint8Array): Query | { readonly id: number; readonly rcode: Rcode } | undefined {
  if (bytes.length < HEAD_BYTES) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const id = view.getUint16(0)
  const flags = view.getUint16(2)
  // An answer, sent to us: answering it could go on for ever.
  if ((flags & 0x8000) !== 0) return undefined
  const opcode = (flags >>> 11) & 15
  if (opcode !== 0) return { id, rcode: RCODE.notImplemented }
  const bad = { id, rcode: RCODE.formatError }
  if (view.getUint16(4) !== 1 || view.getUint16(6) !== 0 || view.getUint16(8) !== 0) return bad
  const name = readName(bytes, HEAD_BYTES)
  if (name === undefined || name.end + 4 > bytes.length) return bad
  const edns = readEdns(bytes, view, name.end + 4)
  if (edns === undefined) return bad
  return {
    id,
    opcode,
    recursionDesired: (flags & 0x0100) !== 0,
    name: name.text,
    type: view.getUint16(name.end),
    class: view.getUint16(name.end + 2),
    udpBytes: Math.min(MOST_UDP_BYTES, Math.max(PLAIN_UDP_BYTES, edns.udpBytes)),
    hasEdns: edns.present,
  }
}

/** The name at `start` and where it ends; undefined when it is none. Labels with bytes that no host name has make none. */
export function readName(bytes: Uint8Array, start: number): { readonly text: string; readonly end: number } | undefined {
  const labels: string[] = []
  let at = start
  let end: number | undefined
  let length = 1
  let pointers = 0
  for (;;) {
    const size = bytes[at]
    if (size === undefined) return undefined
    if (size === 0) return { text: labels.join('.'), end: end ?? at + 1 }
    if (size >= 0xc0) {
      const low = bytes[at + 1]
      const target = ((size & 0x3f) << 8) | (low ?? 0)
      // Backwards only: a loop would have to come forwards once.
      if (low === undefined || target >= at || ++pointers > MOST_POINTERS) return undefined
      end ??= at + 2
      at = target
      continue
    }
    length += size + 1
    if (size > MOST_LABEL_BYTES || length > MOST_NAME_BYTES || at + 1 + size > bytes.length) return undefined
    const label = bytes.subarray(at + 1, at + 1 + size)
    if (label.some((byte) => byte <= 0x20 || byte >= 0x7f || byte === 0x2e || byte === 0x5c)) return undefined
    labels.push(String.fromCharCode(...label))
    at += 1 + size
  }
}

/** Looks for the OPT record among the additions. Undefined: they cannot be read. */
function readEdns(bytes: Uint8Array, view: DataView, start: number): { readonly present: boolean; readonly udpBytes: number } | undefined {
  const count = view.getUint16(10)
  if (count > MOST_ADDITIONS) return undefined
  let at = start
  let udpBytes: number | undefined
  for (let index = 0; index < count; index++) {
    const name = readName(bytes, at)
    if (name === undefined || name.end + 10 > bytes.length) return undefined
    if (view.getUint16(name.end) === TYPE.OPT) {
      // Two of them are an error of form.
      if (udpBytes !== undefined || name.text !== '') return undefined
      udpBytes = view.getUint16(name.end + 2)
    }
    at = name.end + 10 + view.getUint16(name.end + 8)
    if (at > bytes.length) return undefined
  }
  return { present: udpBytes !== undefined, udpBytes: udpBytes ?? PLAIN_UDP_BYTES }
}

/** An answer to a message that could not be read: the head alone. */
export function headOnly(id: number, rcode: Rcode): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, id)
  view.setUint16(2, 0x8080 | rcode)
  return bytes
}

/** The answer as bytes, of `mostBytes` at most: what is longer is cut to nothing, with the mark that tells to ask by TCP. */
export function encodeAnswer(query: Query, answer: Answer, mostBytes: number): Uint8Array {
  const whole = write(query, answer, false)
  return whole !== undefined && whole.length <= mostBytes ? whole : write(query, { rcode: answer.rcode }, true)!
}

/** Undefined when it is longer than any message. */
function write(query: Query, { rcode, records = [] }: Answer, truncated: boolean): Uint8Array | undefined {
  const out = new Writer()
  out.u16(query.id)
  // QR, RD as asked, RA, and TC when it was cut.
  out.u16(0x8080 | (truncated ? 0x0200 : 0) | (query.recursionDesired ? 0x0100 : 0) | rcode)
  for (const count of [1, records.length, 0, query.hasEdns ? 1 : 0]) out.u16(count)
  out.name(query.name)
  out.u16(query.type)
  out.u16(query.class)
  for (const record of records) {
    // A pointer to the question.
    if (record.name === undefined) out.u16(0xc000 | HEAD_BYTES)
    else out.name(record.name)
    out.u16(record.type)
    out.u16(CLASS_IN)
    out.u32(record.ttlS)
    out.counted(() => record.fields.forEach((field) => out.field(field)))
  }
  if (query.hasEdns) for (const byte of [0, 0, TYPE.OPT, MOST_UDP_BYTES >>> 8, MOST_UDP_BYTES & 0xff, 0, 0, 0, 0, 0, 0]) out.u8(byte)
  return out.bytes()
}

const MOST_MESSAGE_BYTES = 65_535

class Writer {
  #bytes = new Uint8Array(PLAIN_UDP_BYTES)
  #at = 0
  #isTooLong = false

  bytes(): Uint8Array | undefined {
    return this.#isTooLong ? undefined : this.#bytes.subarray(0, this.#at)
  }

  u8(value: number): void {
    this.#room(1)
    if (!this.#isTooLong) this.#bytes[this.#at++] = value
  }

  u16(value: number): void {
    this.u8((value >>> 8) & 0xff)
    this.u8(value & 0xff)
  }

  u32(value: number): void {
    this.u16(value >>> 16)
    this.u16(value & 0xffff)
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length)
    if (this.#isTooLong) return
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  name(text: string): void {
    for (const label of text === '' ? [] : text.split('.')) {
      const bytes = new TextEncoder().encode(label).subarray(0, MOST_LABEL_BYTES)
      // An empty label would end the name.
      if (bytes.length === 0) continue
      this.u8(bytes.length)
      this.raw(bytes)
    }
    this.u8(0)
  }

  field(field: RecordField): void {
    if ('u8' in field) this.u8(field.u8)
    else if ('u16' in field) this.u16(field.u16)
    else if ('u32' in field) this.u32(field.u32)
    else if ('name' in field) this.name(field.name)
    else if ('rest' in field) this.raw(field.rest)
    else {
      this.u8(Math.min(255, field.text.length))
      this.raw(field.text.subarray(0, 255))
    }
  }

  /** What `content` writes, with its length before it. */
  counted(content: () => void): void {
    const start = this.#at
    this.u16(0)
    content()
    if (this.#isTooLong) return
    const length = this.#at - start - 2
    this.#bytes[start] = length >>> 8
    this.#bytes[start + 1] = length & 0xff
  }

  #room(bytes: number): void {
    const needed = this.#at + bytes
    if (needed > MOST_MESSAGE_BYTES) this.#isTooLong = true
    if (this.#isTooLong || needed <= this.#bytes.length) return
    const larger = new Uint8Array(Math.min(MOST_MESSAGE_BYTES, Math.max(needed, 2 * this.#bytes.length)))
    larger.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = larger
  }
}
