import type { BodyFilter } from '../types.ts'
import type { Raw } from './message.ts'

/**
 * Looks into what a server sends over a WebSocket (RFC 6455) for values that must not reach the program. A message passes when all of it
 * is there and nothing in it was found; programs get messages whole anyway. Frame: FIN and opcode, length of 7, 16 or 64 bits, payload.
 */
const MOST_MESSAGE_BYTES = 16 * 1024 * 1024
const FIN = 0x80
const RESERVED = 0x70
const OPCODE = 0x0f
const FIRST_CONTROL_OPCODE = 0x8
const MASKED = 0x80

/** What must end the connection. */
class Unfit extends Error {}

interface Frame {
  readonly start: number
  readonly payload: number
  readonly end: number
  readonly isFinal: boolean
  readonly isControl: boolean
}

/** `filterOf` makes a filter for one message, or says that there is nothing to look for any more. `read` throws for what must not pass. */
export function guardedRaw(raw: Raw, filterOf: () => BodyFilter | undefined): Raw {
  const messages = new Messages(filterOf)
  const read = async (): Promise<Uint8Array | undefined> => {
    for (;;) {
      const bytes = await raw.read()
      if (bytes === undefined) return undefined
      const passed = messages.push(bytes)
      if (passed.length > 0) return passed
    }
  }
  return { read, write: (bytes) => raw.write(bytes), end: () => raw.end(), destroy: () => raw.destroy() }
}

/** Exported for tests of the parser. */
export class Messages {
  readonly #filterOf: () => BodyFilter | undefined
  #rest: Buffer = Buffer.alloc(0)
  /** Frames of a message that is not complete, and their payloads. */
  #frames: Buffer[] = []
  #payloads: Buffer[] = []
  #size = 0

  constructor(filterOf: () => BodyFilter | undefined) {
    this.#filterOf = filterOf
  }

  /** Whole messages, as they came. */
  push(bytes: Uint8Array): Uint8Array {
    this.#rest = Buffer.concat([this.#rest, bytes])
    const out: Buffer[] = []
    let at = 0
    for (let frame = frameAt(this.#rest, at); frame !== undefined; frame = frameAt(this.#rest, at)) {
      at = frame.end
      this.#take(frame, out)
    }
    this.#rest = Buffer.from(this.#rest.subarray(at))
    return out.length === 1 ? out[0]! : Buffer.concat(out)
  }

  #take({ start, payload, end, isFinal, isControl }: Frame, out: Buffer[]): void {
    const [whole, content] = [this.#rest.subarray(start, end), this.#rest.subarray(payload, end)]
    if (isControl) {
      this.#check([content])
      out.push(Buffer.from(whole))
      return
    }
    this.#size += end - start
    if (this.#size > MOST_MESSAGE_BYTES) throw new Unfit('a message is too large to be searched')
    this.#frames.push(Buffer.from(whole))
    this.#payloads.push(Buffer.from(content))
    if (!isFinal) return
    this.#check(this.#payloads)
    out.push(...this.#frames)
    this.#frames = []
    this.#payloads = []
    this.#size = 0
  }

  #check(payloads: readonly Buffer[]): void {
    const filter = this.#filterOf()
    if (filter === undefined) return
    const before = Buffer.concat(payloads)
    const after = Buffer.concat([filter.push(before), filter.end()])
    if (filter.blocked !== undefined || !after.equals(before)) throw new Unfit('a message holds the value of a secret')
  }
}

/** Undefined: more bytes are needed. */
function frameAt(bytes: Buffer, start: number): Frame | undefined {
  const [first, second] = [bytes[start], bytes[start + 1]]
  if (first === undefined || second === undefined) return undefined
  if ((first & RESERVED) !== 0 || (second & MASKED) !== 0) throw new Unfit('a frame that cannot be searched')
  const short = second & 0x7f
  const payload = start + (short < 126 ? 2 : short === 126 ? 4 : 10)
  if (bytes.length < payload) return undefined
  const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(start + 2) : Number(bytes.readBigUInt64BE(start + 2))
  if (length > MOST_MESSAGE_BYTES) throw new Unfit('a message is too large to be searched')
  if (bytes.length < payload + length) return undefined
  const isControl = (first & OPCODE) >= FIRST_CONTROL_OPCODE
  return { start, payload, end: payload + length, isFinal: (first & FIN) !== 0, isControl }
}
