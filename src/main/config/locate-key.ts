/** A key's place in a document: names of tables and keys, and 0-based numbers for elements of arrays. */
export type KeyPath = readonly (string | number)[]

/** Finds the 1-based line of a key; the line of the nearest table around it when the key itself is not written. */
export type KeyLocator = (path: KeyPath) => number

/** What is known about one place: where it starts, and what is inside. A tree keeps long dotted keys linear. */
interface Place {
  line: number
  readonly inside: Map<string | number, Place>
  /** Number of `[[…]]` headers seen so far; undefined = not an array of tables. */
  elements?: number
}

/**
 * Reads where each key of a TOML document is written, because the parser does not say. The text must be valid TOML:
 * this scanner skips over values without checking them. Keys are found in tables, arrays of tables, dotted and quoted
 * keys, inline tables and arrays.
 */
export function createKeyLocator(toml: string): KeyLocator {
  const root: Place = { line: 1, inside: new Map() }
  scanDocument(new Scanner(toml), root)
  return (path) => {
    let place = root
    for (const part of path) {
      const next = place.inside.get(part)
      if (next === undefined) break
      place = next
    }
    return place.line
  }
}

function scanDocument(scanner: Scanner, root: Place): void {
  let table = root
  for (scanner.skipBlank(); !scanner.done; scanner.skipBlank()) {
    const line = scanner.line
    if (!scanner.take('[')) {
      scanPair(scanner, table)
      continue
    }
    const isArray = scanner.take('[')
    const keys = scanner.keys(']')
    if (isArray) scanner.take(']')
    table = enter(root, keys, line, newestElement)
    if (isArray) {
      table.elements = (table.elements ?? 0) + 1
      table = child(table, table.elements - 1, line)
    }
  }
}

/** `key = value`, where the key may be dotted and the value may hold further keys. */
function scanPair(scanner: Scanner, table: Place): void {
  const line = scanner.line
  const place = enter(table, scanner.keys('='), line, (inner) => inner)
  scanner.skipBlank()
  scanValue(scanner, place)
}

function scanValue(scanner: Scanner, place: Place): void {
  if (scanner.take('{')) {
    for (scanner.skipBlank(); !scanner.done && !scanner.take('}'); scanner.skipSeparator()) scanPair(scanner, place)
  } else if (scanner.take('[')) {
    scanner.skipBlank()
    for (let index = 0; !scanner.done && !scanner.take(']'); index++, scanner.skipSeparator()) {
      scanValue(scanner, child(place, index, scanner.line))
    }
  } else {
    scanner.skipScalar()
  }
}

/** Follows `keys` from `from`, making what is missing. `into` chooses where a key's own children go. */
function enter(from: Place, keys: readonly string[], line: number, into: (place: Place) => Place): Place {
  let place = from
  for (const [index, key] of keys.entries()) place = child(index === 0 ? place : into(place), key, line)
  return place
}

/** Children of an array of tables belong to its newest element. */
function newestElement(place: Place): Place {
  return place.elements === undefined ? place : (place.inside.get(place.elements - 1) ?? place)
}

function child(place: Place, key: string | number, line: number): Place {
  let found = place.inside.get(key)
  if (found === undefined) {
    found = { line, inside: new Map() }
    place.inside.set(key, found)
  }
  return found
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', t: '\t', n: '\n', f: '\f', r: '\r', e: '\x1b' }

/**
 * A position in the text that knows its line. It steps with loops, not with patterns over the whole document: a
 * pattern that repeats a million times may run out of stack.
 */
class Scanner {
  readonly #text: string
  #at = 0
  line = 1

  constructor(toml: string) {
    this.#text = toml
    if (toml.startsWith('\ufeff')) this.#at = 1
  }

  get done(): boolean {
    return this.#at >= this.#text.length
  }

  /** Steps over `character` if it is next. */
  take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#step()
    return true
  }

  /** Steps over spaces, line ends and comments. */
  skipBlank(): void {
    this.#skipAny(' \t\r\n')
    while (this.#text[this.#at] === '#') {
      this.#skipUntil('\n')
      this.#skipAny(' \t\r\n')
    }
  }

  /** Steps over the comma between two elements and the blanks around it. */
  skipSeparator(): void {
    this.skipBlank()
    if (this.take(',')) this.skipBlank()
  }

  /** Reads a dotted key and the character `end` after it. */
  keys(end: ']' | '='): string[] {
    const keys: string[] = []
    while (!this.done && !this.take(end)) {
      this.#skipAny(' \t')
      const start = this.#at
      if (this.#text[start] === '"' || this.#text[start] === "'") {
        this.skipScalar()
        keys.push(unquote(this.#text.slice(start, this.#at)))
      } else {
        this.#skipUntil(` \t\r\n.${end}`)
        keys.push(this.#text.slice(start, this.#at))
      }
      this.#skipAny(' \t')
      if (this.take('.')) continue
      if (!this.done && this.#text[this.#at] !== end) this.#step()
    }
    return keys
  }

  /** Steps over a string of any kind, a number, a date or a boolean. */
  skipScalar(): void {
    const quote = this.#text[this.#at]
    if (quote === '"' || quote === "'") {
      const fence = quote.repeat(3)
      this.#skipString(this.#text.startsWith(fence, this.#at) ? fence : quote)
      return
    }
    const start = this.#at
    this.#skipUntil(' \t\r\n,]}#')
    // Only in text that is not TOML; a scanner that stands still would never end.
    if (this.#at === start) this.#step()
    // A date and its time may be parted by a space.
    if (/^ \d$/.test(this.#text.slice(this.#at, this.#at + 2))) {
      this.#step()
      this.#skipUntil(' \t\r\n,]}#')
    }
  }

  #skipString(fence: string): void {
    this.#at += fence.length
    while (!this.done && !this.#text.startsWith(fence, this.#at)) {
      if (fence.startsWith('"') && this.#text[this.#at] === '\\') this.#step()
      this.#step()
    }
    this.#at += fence.length
    // Up to two quotes before the closing three belong to the string.
    for (let more = 0; more < 2 && fence.length === 3 && this.#text[this.#at] === fence[0]; more++) this.#at++
  }

  #skipAny(characters: string): void {
    while (!this.done && characters.includes(this.#text[this.#at]!)) this.#step()
  }

  #skipUntil(characters: string): void {
    while (!this.done && !characters.includes(this.#text[this.#at]!)) this.#step()
  }

  #step(): void {
    if (this.#text[this.#at] === '\n') this.line++
    this.#at++
  }
}

/** The text of a quoted key. */
function unquote(quoted: string): string {
  const inner = quoted.slice(1, -1)
  if (quoted.startsWith("'") || !inner.includes('\\')) return inner
  return inner.replace(/\\(?:x(..)|u(.{4})|U(.{8})|(.))/g, (_all, x?: string, u?: string, long?: string, single?: string) => {
    if (single !== undefined) return ESCAPES[single] ?? single
    return String.fromCodePoint(Number.parseInt(x ?? u ?? long ?? '', 16))
  })
}
