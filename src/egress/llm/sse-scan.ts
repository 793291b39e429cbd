import { JsonScan, type Found, type Wanted } from './json-scan.ts'

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
const DATA = [0x64, 0x61, 0x74, 0x61]

/**
 * Reads server-sent events whose data is JSON. Nothing is kept of an event but what is wanted of it, so that events may have any size; lines
 * end with LF, CR or CRLF, and pieces may be cut anywhere.
 */
export class SseScan {
  readonly #json: JsonScan
  readonly #ended: () => void
  #at: 'field' | 'data' | 'other' = 'field'
  /** How many letters of the field's name are those of `data`. */
  #letters = 0
  #afterCr = false
  #hasData = false

  /** `ended` is called behind each event that has data. */
  constructor(root: Wanted, found: Found, ended: () => void = () => undefined) {
    this.#json = new JsonScan(root, found)
    this.#ended = ended
  }

  push(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length) {
      const byte = bytes[at]!
      if (byte === LF || byte === CR) {
        // The LF of a CRLF ends nothing by itself.
        if (!(byte === LF && this.#afterCr)) this.#line()
        this.#afterCr = byte === CR
        at++
      } else {
        this.#afterCr = false
        at = this.#inLine(bytes, at, byte)
      }
    }
  }

  /** No more comes: an event without its empty line counts for what is known of it. */
  end(): void {
    if (this.#hasData) this.#event()
  }

  #inLine(bytes: Uint8Array, at: number, byte: number): number {
    if (this.#at === 'field') {
      if (byte === COLON) {
        this.#at = this.#letters === DATA.length ? 'data' : 'other'
        return at + 1
      }
      if (byte === DATA[this.#letters]) this.#letters++
      else this.#at = 'other'
      return at + 1
    }
    const end = lineEnd(bytes, at)
    if (this.#at !== 'other') {
      this.#hasData = true
      // A space behind the colon is no matter to JSON.
      this.#json.push(bytes.subarray(at, end))
    }
    return end
  }

  #line(): void {
    const empty = this.#at === 'field' && this.#letters === 0
    if (empty && this.#hasData) this.#event()
    // Lines of data are one text with line ends between them, and no JSON value but a string can tell; those hold none.
    this.#at = 'field'
    this.#letters = 0
  }

  #event(): void {
    this.#hasData = false
    this.#json.end()
    this.#ended()
  }
}

function lineEnd(bytes: Uint8Array, from: number): number {
  const lf = bytes.indexOf(LF, from)
  const end = lf === -1 ? bytes.length : lf
  const cr = bytes.subarray(from, end).indexOf(CR)
  return cr === -1 ? end : from + cr
}
