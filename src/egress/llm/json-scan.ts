import { ignore } from '../../lib/ignore.ts'

/**
 * Finds a few members of JSON documents of any size, without building them. Text may come in pieces cut anywhere; several
 * documents may follow each other. What is not JSON is passed over: this never throws, and its memory does not grow with what it reads.
 */

/** The places to look at. `*` stands for the elements of an array. */
export interface Wanted {
  readonly members: ReadonlyMap<string, Wanted>
  /** Elements, where the place holds an array. */
  readonly elements?: Wanted
  /** The name under which a scalar found here is told. */
  readonly tell?: string
}
export type Scalar = string | number | boolean | null
export type Found = (name: string, value: Scalar) => void

/** Longest key or value that is kept, in bytes as written; longer ones are nothing that is wanted. */
const KEPT_BYTES = 512

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** `usage.prompt_tokens` → `input`, as a tree. A leading `*.` looks into the elements of a top-level array as well. */
export function wanted(paths: Readonly<Record<string, string>>): Wanted {
  interface Node {
    members: Map<string, Node>
    elements?: Node
    tell?: string
  }
  const root: Node = { members: new Map() }
  for (const [path, name] of Object.entries(paths)) {
    let node = root
    for (const part of path.split('.')) {
      let next = node.members.get(part)
      if (next === undefined) node.members.set(part, (next = { members: new Map() }))
      node = next
    }
    node.tell = name
  }
  root.elements = { members: root.members }
  return root
}

export class JsonScan {
  readonly #root: Wanted
  readonly #found: Found
  readonly #ended: () => void
  #at: 'between' | 'string' | 'literal' = 'between'
  /** What is wanted of each open container, outermost first; not longer than the longest path. */
  #open: { readonly wanted: Wanted; readonly array: boolean }[] = []
  /** Open containers in which nothing is wanted. */
  #skipped = 0
  /** The member whose value comes next. */
  #next: Wanted | undefined
  #isKey = false
  #escaped = false
  /** Bytes of a key or value that may be wanted. */
  readonly #kept = new Uint8Array(KEPT_BYTES)
  #keptLength = 0
  #keeps = false

  /** `ended` is called behind each document. */
  constructor(root: Wanted, found: Found, ended: () => void = () => undefined) {
    this.#root = root
    this.#found = found
    this.#ended = ended
    this.#next = root
  }

  push(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length) {
      if (this.#at === 'string') at = this.#string(bytes, at)
      else if (this.#at === 'literal') at = this.#literal(bytes, at)
      else at = this.#between(bytes, at)
    }
  }

  /** No more of this document comes; what follows is another. */
  end(): void {
    if (this.#at === 'literal') this.#endLiteral()
    this.#reset()
  }

  #reset(): void {
    this.#at = 'between'
    this.#open = []
    this.#skipped = 0
    this.#next = this.#root
    this.#isKey = false
    this.#escaped = false
    this.#keeps = false
  }

  #between(bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      switch (bytes[at]) {
        case QUOTE:
          this.#startString()
          return at + 1
        case 0x7b: // {
          this.#enter(false)
          break
        case 0x5b: // [
          this.#enter(true)
          break
        case 0x7d: // }
        case 0x5d: // ]
          this.#leave()
          break
        case 0x2c: // ,
          this.#comma()
          break
        case 0x3a: // :
          this.#isKey = false
          break
        case 0x20:
        case 0x09:
        case 0x0a:
        case 0x0d:
          break
        default:
          // A byte that begins nothing is passed over.
          if (this.#skipped > 0 || !isLiteral(bytes[at]!)) break
          this.#at = 'literal'
          this.#keep(this.#next?.tell !== undefined)
          return at
      }
    }
    return bytes.length
  }

  #enter(array: boolean): void {
    const next = this.#skipped > 0 ? undefined : this.#next
    if (next === undefined || (array ? next.elements === undefined : next.members.size === 0)) {
      this.#skipped++
      return
    }
    this.#open.push({ wanted: next, array })
    this.#next = array ? next.elements : undefined
    this.#isKey = !array
  }

  #leave(): void {
    if (this.#skipped === 0 && this.#open.length === 0) return
    if (this.#skipped > 0) this.#skipped--
    else this.#open.pop()
    this.#next = undefined
    this.#isKey = false
    if (this.#skipped === 0 && this.#open.length === 0) this.#document()
  }

  #comma(): void {
    if (this.#skipped > 0) return
    const top = this.#open.at(-1)
    this.#isKey = top !== undefined && !top.array
    this.#next = top?.array === true ? top.wanted.elements : undefined
  }

  #document(): void {
    this.#reset()
    this.#ended()
  }

  #startString(): void {
    this.#at = 'string'
    this.#escaped = false
    this.#keep(this.#skipped === 0 && (this.#isKey || this.#next?.tell !== undefined))
  }

  #string(bytes: Uint8Array, from: number): number {
    let at = from
    // The end is looked for once; escapes only before it, so that no byte is read more than twice.
    let quote = -1
    for (;;) {
      if (this.#escaped) {
        if (at >= bytes.length) break
        this.#escaped = false
        at++
      }
      if (quote < at) quote = endOr(bytes.indexOf(QUOTE, at), bytes.length)
      const escape = bytes.subarray(at, quote).indexOf(BACKSLASH)
      if (escape !== -1) {
        this.#escaped = true
        at += escape + 1
        continue
      }
      if (quote === bytes.length) break
      this.#add(bytes, from, quote)
      this.#endString()
      return quote + 1
    }
    this.#add(bytes, from, bytes.length)
    return bytes.length
  }

  #endString(): void {
    this.#at = 'between'
    if (this.#isKey) {
      const key = this.#text()
      this.#next = key === undefined ? undefined : this.#open.at(-1)?.wanted.members.get(key)
      this.#isKey = false
    } else {
      const tell = this.#skipped === 0 ? this.#next?.tell : undefined
      const value = tell === undefined ? undefined : this.#text()
      if (tell !== undefined && value !== undefined) this.#found(tell, value)
      this.#scalarIsOver()
    }
  }

  #literal(bytes: Uint8Array, from: number): number {
    let at = from
    while (at < bytes.length && isLiteral(bytes[at]!)) at++
    this.#add(bytes, from, at)
    if (at === bytes.length) return at
    this.#endLiteral()
    return at
  }

  #endLiteral(): void {
    this.#at = 'between'
    const tell = this.#next?.tell
    if (tell !== undefined) {
      const value = this.#keeps ? literalOf(latin(this.#kept, this.#keptLength)) : undefined
      if (value !== undefined) this.#found(tell, value)
    }
    this.#scalarIsOver()
  }

  #scalarIsOver(): void {
    this.#next = undefined
    if (this.#skipped === 0 && this.#open.length === 0) this.#document()
  }

  #keep(keeps: boolean): void {
    this.#keeps = keeps
    this.#keptLength = 0
  }

  #add(bytes: Uint8Array, from: number, to: number): void {
    if (!this.#keeps) return
    if (this.#keptLength + to - from > KEPT_BYTES) {
      this.#keeps = false
      return
    }
    this.#kept.set(bytes.subarray(from, to), this.#keptLength)
    this.#keptLength += to - from
  }

  /** The string as it was meant; undefined when it was not kept or is none. */
  #text(): string | undefined {
    if (!this.#keeps) return undefined
    const bytes = this.#kept.subarray(0, this.#keptLength)
    const text = decoder.decode(bytes)
    if (!bytes.includes(BACKSLASH)) return text
    try {
      const parsed: unknown = JSON.parse(`"${text}"`)
      return typeof parsed === 'string' ? parsed : undefined
    } catch (error) {
      ignore(error, 'a string with a wrong escape is nothing that is wanted')
      return undefined
    }
  }
}

const decoder = new TextDecoder()
const latin = (bytes: Uint8Array, length: number): string => String.fromCharCode(...bytes.subarray(0, length))

/** Letters, digits, `+`, `-`, `.`: what `true` and `-1.5e3` are made of. */
function isLiteral(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) || (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x41 && byte <= 0x5a) || [0x2b, 0x2d, 0x2e].includes(byte)
  )
}

function literalOf(text: string): Scalar | undefined {
  if (text === 'true') return true
  if (text === 'false') return false
  if (text === 'null') return null
  return /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/.test(text) ? Number(text) : undefined
}

const endOr = (found: number, end: number): number => (found === -1 ? end : found)
