import { ignore } from '../../lib/ignore.ts'
import { readLines, readFully, type Line } from './read-lines.ts'
import { readLink } from './record-chain.ts'
import { accusationOf, readSeal, type Seal } from './seal.ts'

/** Where a scan begins: a place in the file and what the chain looks like there. */
export interface ChainPosition {
  readonly offset: number
  /** Hash of the record before. */
  readonly hash: string
  /** Records before. */
  readonly count: number
}

/** What is wrong with a line. */
export interface Fault {
  /** 1-based, counted from where the scan began. */
  readonly line: number
  readonly offset: number
  readonly reason: string
}

export interface ScanResult {
  /** Hash and number of the records up to the first fault, or to the end. */
  readonly hash: string
  readonly count: number
  readonly fault?: Fault
  /** Unsealed bytes at the end that are no records, from here to the end of the scan. `torn` when they look like a line cut off by a crash. */
  readonly loose?: Fault & { readonly torn: boolean }
  /** The first seal that accuses somebody; the chain itself is whole there. */
  readonly accusation?: Fault
}

/** Sees each record of the chain, in order, with how many there are up to it. May answer a reason why it is wrong. */
export type RecordCheck = (hash: string, count: number) => string | undefined

/** Follows the chain from `start` to the offset `end` with flat memory, and stops at the first record that breaks it. */
export async function scanChain(fd: number, start: ChainPosition, end: number, check?: RecordCheck): Promise<ScanResult> {
  const state = new Scan(fd, start, check)
  for await (const batch of readLines(fd, start.offset, end)) {
    for (const line of batch) {
      const fault = state.take(line)
      if (fault !== undefined) return { ...state.result(), fault }
    }
  }
  return state.result()
}

class Scan {
  readonly #fd: number
  readonly #check: RecordCheck | undefined
  #hash: string
  #count: number
  #line = 0
  #loose: (Fault & { torn: boolean }) | undefined
  #accusation: Fault | undefined

  constructor(fd: number, start: ChainPosition, check: RecordCheck | undefined) {
    this.#fd = fd
    this.#check = check
    this.#hash = start.hash
    this.#count = start.count
  }

  result(): ScanResult {
    return {
      hash: this.#hash,
      count: this.#count,
      ...(this.#loose !== undefined && { loose: this.#loose }),
      ...(this.#accusation !== undefined && { accusation: this.#accusation }),
    }
  }

  /** The fault that ends the scan, if this line is one. */
  take(line: Line): Fault | undefined {
    this.#line++
    const link = readLink(line.bytes)
    if (link === undefined) return this.#takeLoose(line)
    if (!link.intact) return this.#fault(line, 'the record was changed: its bytes do not give its hash')
    const loose = this.#loose
    if (link.prev !== this.#hash) {
      return loose ?? this.#fault(line, 'the record does not follow the one before it: something was removed, inserted or moved here')
    }
    const seal = readSeal(line.bytes)
    if (loose !== undefined) {
      if (seal === undefined || !this.#covers(seal, line)) return loose
      this.#loose = undefined
    }
    this.#hash = link.hash
    this.#count++
    const accusation = seal === undefined ? undefined : accusationOf(seal)
    if (accusation !== undefined) this.#accusation ??= { ...(loose ?? this.#fault(line, '')), reason: accusation }
    const complaint = this.#check?.(link.hash, this.#count)
    return complaint === undefined ? undefined : this.#fault(line, complaint)
  }

  #takeLoose(line: Line): undefined {
    const torn = !line.overlong && looksTorn(line.bytes)
    if (this.#loose === undefined) this.#loose = { ...this.#fault(line, 'the line is not a record of this log'), torn }
    else this.#loose.torn &&= torn
  }

  /** True when the seal on `line` pins exactly the loose bytes before it. */
  #covers(seal: Seal, line: Line): boolean {
    const { offset } = this.#loose!
    const bytes = line.offset - 1 - offset
    return seal.offset === offset && seal.bytes === bytes && seal.sha256 === sha256OfRange(this.#fd, offset, bytes)
  }

  #fault(line: Line, reason: string): Fault {
    return { line: this.#line, offset: line.offset, reason }
  }
}

/** Hex SHA-256 of a part of a file. */
export function sha256OfRange(fd: number, offset: number, bytes: number): string {
  const hasher = new Bun.CryptoHasher('sha256')
  const chunk = Buffer.allocUnsafe(Math.min(bytes, 256 * 1024))
  for (let done = 0; done < bytes;) {
    const size = readFully(fd, chunk.subarray(0, Math.min(chunk.length, bytes - done)), offset + done)
    if (size === 0) break
    hasher.update(chunk.subarray(0, size))
    done += size
  }
  return hasher.digest('hex')
}

/** Every record begins like this. */
const BEGINNING = Buffer.from('{"timestamp":"')

/** True for what a crash may leave of a record: its beginning without its end, or, after a loss of power, zeros. */
function looksTorn(bytes: Buffer): boolean {
  if (bytes.every((byte) => byte === 0)) return true
  const shared = Math.min(bytes.length, BEGINNING.length)
  return bytes.subarray(0, shared).equals(BEGINNING.subarray(0, shared)) && !isJson(bytes)
}

function isJson(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString())
    return true
  } catch (error) {
    ignore(error, 'not JSON is one of the two answers')
    return false
  }
}
