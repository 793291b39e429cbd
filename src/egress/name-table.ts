import { SYNTHETIC_FIRST, SYNTHETIC_LAST } from '../contract/network.ts'
import { formatAddress, parseAddress } from '../policy/network/address.ts'

/** Names that have an address at one time. */
const MOST_NAMES = 16_384
/** Of these, names that no rule allows: a program that asks for many does not take the room of the others. */
const MOST_DENIED = 4_096
/** How long after its last answer an address still means its name, in ms: programs keep answers longer than they should. */
const KEPT_MS = 10 * 60_000

interface Entry {
  readonly name: string
  readonly word: number
  allowed: boolean
  /** When it was last told or used. */
  at: number
  flows: number
}

const wordOf = (literal: string): number => parseAddress(literal)!.words[0]!
const FIRST = wordOf(SYNTHETIC_FIRST)
const LAST = wordOf(SYNTHETIC_LAST)

/**
 * The addresses that names have in one sandbox. An address belongs to its name for as long as a flow uses it or an answer with it is
 * recent; afterwards it may be forgotten, and it is given to another name only after every other address was.
 */
export class NameTable {
  /** The longest unused first. */
  readonly #names = new Map<string, Entry>()
  readonly #words = new Map<number, Entry>()
  readonly #now: () => number
  readonly #most: { readonly names: number; readonly denied: number }
  #denied = 0
  #next = FIRST

  constructor(now: () => number = Date.now, most = { names: MOST_NAMES, denied: MOST_DENIED }) {
    this.#now = now
    this.#most = most
  }

  get size(): number {
    return this.#names.size
  }

  /** True for every address that only names can have, known or not. */
  static isSynthetic(address: { readonly family: 4 | 6; readonly words: readonly number[] }): boolean {
    return address.family === 4 && address.words[0]! >= FIRST && address.words[0]! <= LAST
  }

  /** The address of a name, the same as long as it is known. Undefined: there is no room for another one now. */
  addressOf(name: string, allowed: boolean): string | undefined {
    const known = this.#names.get(name)
    if (known !== undefined) {
      this.#use(known)
      this.#mark(known, allowed)
      return textOf(known.word)
    }
    if (!this.#makeRoom(allowed)) return undefined
    const entry = { name, word: this.#freeWord(), allowed, at: this.#now(), flows: 0 }
    this.#names.set(name, entry)
    this.#words.set(entry.word, entry)
    if (!allowed) this.#denied++
    return textOf(entry.word)
  }

  /** The name that an address stands for. */
  nameOf(literal: string): string | undefined {
    const address = parseAddress(literal)
    return address?.family === 4 ? this.#words.get(address.words[0]!)?.name : undefined
  }

  /** A flow uses the name's address until what this gives is called, once. */
  hold(name: string): () => void {
    const entry = this.#names.get(name)
    if (entry === undefined) return () => undefined
    entry.flows++
    this.#use(entry)
    return () => {
      entry.flows--
      this.#use(entry)
    }
  }

  #use(entry: Entry): void {
    entry.at = this.#now()
    this.#names.delete(entry.name)
    this.#names.set(entry.name, entry)
  }

  #mark(entry: Entry, allowed: boolean): void {
    if (entry.allowed === allowed) return
    this.#denied += allowed ? -1 : 1
    entry.allowed = allowed
  }

  #makeRoom(allowed: boolean): boolean {
    const isFull = (): boolean => this.#names.size >= this.#most.names || (!allowed && this.#denied >= this.#most.denied)
    if (!isFull()) return true
    const before = this.#now() - KEPT_MS
    for (const entry of this.#names.values()) {
      // They are in the order of their use: no later one is older.
      if (entry.at > before) break
      if (entry.flows > 0 || (!allowed && entry.allowed && this.#names.size < this.#most.names)) continue
      this.#forget(entry)
      if (!isFull()) return true
    }
    return !isFull()
  }

  #forget(entry: Entry): void {
    this.#names.delete(entry.name)
    this.#words.delete(entry.word)
    if (!entry.allowed) this.#denied--
  }

  /** There are eight times as many addresses as names. */
  #freeWord(): number {
    for (;;) {
      const word = this.#next
      this.#next = word === LAST ? FIRST : word + 1
      if (!this.#words.has(word)) return word
    }
  }
}

function textOf(word: number): string {
  return formatAddress({ family: 4, words: [word] })
}
