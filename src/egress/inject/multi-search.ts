/**
 * Finds any of many byte strings at the cost of one: Wu and Manber's method, which looks at pairs of bytes and jumps ahead by up to
 * the shortest pattern's length. Flat in memory: 64 KiB for each search, and a table as long as each pattern.
 */
export interface MultiSearch {
  /** Length of the longest pattern. */
  readonly longest: number
  /**
   * The leftmost occurrence that begins at or after `from`; of several that begin there, the longest. The answer object is
   * reused: read it before the next call.
   */
  find(bytes: Uint8Array, from: number): Readonly<SearchHit> | undefined
  /** Where the longest tail begins, at or after `from`, that could be the beginning of a pattern; the end when there is none. */
  unfinished(bytes: Uint8Array, from: number): number
}
export interface SearchHit {
  pattern: number
  start: number
  end: number
}

/** Patterns must have two bytes or more. */
export function multiSearch(patterns: readonly Uint8Array[]): MultiSearch {
  const shortest = Math.min(...patterns.map(({ length }) => length))
  const { jumps, ends } = tables(patterns, shortest)
  const failures = patterns.map(failureTable)
  const hit: SearchHit = { pattern: 0, start: 0, end: 0 }

  /** The longest pattern at `start`, among those that the pair of bytes allows. */
  const longestAt = (bytes: Uint8Array, start: number, candidates: readonly number[]): number => {
    let best = -1
    for (const candidate of candidates) {
      const pattern = patterns[candidate]!
      if ((best < 0 || pattern.length > patterns[best]!.length) && standsAt(bytes, start, pattern, pattern.length)) best = candidate
    }
    return best
  }

  return {
    longest: Math.max(...patterns.map(({ length }) => length)),
    find: (bytes, from) => {
      const last = bytes.length
      for (let at = from + shortest - 1; at < last;) {
        const pair = (bytes[at - 1]! << 8) | bytes[at]!
        const jump = jumps[pair]!
        if (jump > 0) {
          at += jump
          continue
        }
        const start = at - shortest + 1
        const found = longestAt(bytes, start, ends.get(pair)!)
        if (found >= 0) {
          hit.pattern = found
          hit.start = start
          hit.end = start + patterns[found]!.length
          return hit
        }
        at += 1
      }
      return undefined
    },
    unfinished: (bytes, from) => {
      let length = 0
      for (const [at, pattern] of patterns.entries()) length = Math.max(length, prefixAtEnd(bytes, from, pattern, failures[at]!))
      return bytes.length - length
    },
  }
}

/**
 * For each pair of bytes how far the window may move when it ends with that pair; where it may not, the patterns whose beginning
 * of the shortest length ends so.
 */
function tables(patterns: readonly Uint8Array[], shortest: number): { jumps: Uint16Array; ends: Map<number, number[]> } {
  const jumps = new Uint16Array(65_536).fill(Math.min(shortest - 1, 65_535))
  const ends = new Map<number, number[]>()
  for (const [index, pattern] of patterns.entries()) {
    for (let at = 1; at < shortest; at++) {
      const pair = (pattern[at - 1]! << 8) | pattern[at]!
      jumps[pair] = Math.min(jumps[pair]!, shortest - 1 - at)
    }
    const pair = (pattern[shortest - 2]! << 8) | pattern[shortest - 1]!
    const known = ends.get(pair)
    if (known === undefined) ends.set(pair, [index])
    else known.push(index)
  }
  return { jumps, ends }
}

function standsAt(bytes: Uint8Array, start: number, pattern: Uint8Array, length: number): boolean {
  if (start + length > bytes.length) return false
  for (let at = 0; at < length; at++) if (bytes[start + at] !== pattern[at]) return false
  return true
}

/** Knuth, Morris and Pratt: for each length of a beginning, how long its longest border is. */
function failureTable(pattern: Uint8Array): Uint32Array {
  const table = new Uint32Array(pattern.length + 1)
  for (let at = 1, border = 0; at < pattern.length; at++) {
    while (border > 0 && pattern[at] !== pattern[border]) border = table[border]!
    if (pattern[at] === pattern[border]) border++
    table[at + 1] = border
  }
  return table
}

/** How much of the pattern, less than all, the bytes end with. */
function prefixAtEnd(bytes: Uint8Array, from: number, pattern: Uint8Array, failure: Uint32Array): number {
  let matched = 0
  for (let at = Math.max(from, bytes.length - pattern.length + 1); at < bytes.length; at++) {
    while (matched > 0 && bytes[at] !== pattern[matched]) matched = failure[matched]!
    if (bytes[at] === pattern[matched]) matched++
  }
  return matched
}
