/**
 * How one record is written and linked to the one before.
 *
 *     {"timestamp":…,"pid":…,"user":…,"type":…, fields…,"prev":"<64 hex>","hash":"<64 hex>"}\n
 *
 * `prev` is the hash of the record before, 64 zeros in the first. `hash` is the SHA-256 of the line's own bytes with
 * `,"hash":"…"` taken out. Bytes, not values, so that nothing has to agree on how JSON is written, and any change shows.
 */

/** The `prev` of the first record. */
export const GENESIS = '0'.repeat(64)

const HASH_BYTES = ',"hash":"'.length + 64 + '"}'.length
/** Length of the end of every record: `prev` and `hash`. */
export const TAIL_BYTES = ',"prev":""'.length + 64 + HASH_BYTES
const TAIL = /^,"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}$/

export interface EncodedRecord {
  /** One line, with its newline. */
  readonly line: string
  readonly hash: string
}

/** Where a line stands in the chain. */
export interface ChainLink {
  readonly prev: string
  readonly hash: string
  /** False when the line's bytes do not give `hash`. */
  readonly intact: boolean
}

/** The line for `fields`, linked to the record whose hash is `prev`. */
export function encodeRecord(fields: Readonly<Record<string, unknown>>, prev: string): EncodedRecord {
  const body = JSON.stringify({ ...fields, prev })
  const hash = sha256(body)
  return { line: `${body.slice(0, -1)},"hash":"${hash}"}\n`, hash }
}

/** The link of a line (given without its newline); undefined when the line does not end like a record of ours. */
export function readLink(line: Uint8Array): ChainLink | undefined {
  if (line.length <= TAIL_BYTES) return undefined
  const tail = TAIL.exec(Buffer.from(line.buffer, line.byteOffset + line.length - TAIL_BYTES, TAIL_BYTES).toString('latin1'))
  if (tail === null) return undefined
  const found = new Bun.CryptoHasher('sha256')
    .update(line.subarray(0, line.length - HASH_BYTES))
    .update('}')
    .digest('hex')
  return { prev: tail[1]!, hash: tail[2]!, intact: found === tail[2] }
}

function sha256(text: string): string {
  return new Bun.CryptoHasher('sha256').update(text).digest('hex')
}
