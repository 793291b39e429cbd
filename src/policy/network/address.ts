/**
 * Addresses as numbers. The only forms that are read are the dotted quad without leading zeros and what RFC 4291 allows for IPv6:
 * `127.1`, `0x7f000001` and `017700000001` are no addresses here, and a name must not look like one either.
 */
export interface Address {
  readonly family: 4 | 6
  /** Unsigned 32-bit words, the highest first: one for IPv4, four for IPv6. */
  readonly words: readonly number[]
}

/** A prefix; the bits behind it are zero. */
export interface AddressRange extends Address {
  /** 0 … 32 or 0 … 128. */
  readonly bits: number
}

const QUAD = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.|$)){4}$/

/** Undefined when it is no literal. A zone (`%eth0`) makes it none. */
export function parseAddress(text: string): Address | undefined {
  if (text.length > 45) return undefined
  if (!text.includes(':')) return QUAD.test(text) && !text.endsWith('.') ? { family: 4, words: [quadOf(text)] } : undefined
  const groups = groupsOf(text)
  if (groups === undefined) return undefined
  const words = [0, 2, 4, 6].map((at) => ((groups[at]! << 16) | groups[at + 1]!) >>> 0)
  return { family: 6, words }
}

function quadOf(text: string): number {
  return text.split('.').reduce((value, part) => ((value << 8) | Number(part)) >>> 0, 0)
}

/** The eight groups of an IPv6 address. */
function groupsOf(text: string): number[] | undefined {
  const sides = text.split('::')
  if (sides.length > 2) return undefined
  const [head, tail] = sides.map((side, index) => partsOf(side, index === sides.length - 1))
  if (head === undefined) return undefined
  if (sides.length === 1) return head.length === 8 ? head : undefined
  // `::` stands for at least one group.
  if (tail === undefined || head.length + tail.length > 7) return undefined
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail]
}

/** Groups between colons; the last may be a dotted quad. */
function partsOf(side: string, last: boolean): number[] | undefined {
  if (side === '') return []
  const parts = side.split(':')
  const groups: number[] = []
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16))
    else if (last && index === parts.length - 1 && QUAD.test(part) && !part.endsWith('.')) {
      const quad = quadOf(part)
      groups.push(quad >>> 16, quad & 0xffff)
    } else return undefined
  }
  return groups
}

/** Dotted quad, or the form of RFC 5952. */
export function formatAddress({ family, words }: Address): string {
  if (family === 4) return quadText(words[0]!)
  const groups = words.flatMap((word) => [word >>> 16, word & 0xffff])
  const [at, length] = longestZeros(groups)
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':')
  // Mapped addresses are the only ones that are written with a quad at the end.
  if (words[0] === 0 && words[1] === 0 && words[2] === 0xffff) return `::ffff:${quadText(words[3]!)}`
  return length < 2 ? text(groups) : `${text(groups.slice(0, at))}::${text(groups.slice(at + length))}`
}

function quadText(word: number): string {
  return [24, 16, 8, 0].map((shift) => (word >>> shift) & 0xff).join('.')
}

/** Where the first of the longest runs of zero groups begins, and how long it is. */
function longestZeros(groups: readonly number[]): readonly [at: number, length: number] {
  let best: readonly [number, number] = [0, 0]
  for (let at = 0; at < groups.length; at++) {
    let length = 0
    while (groups[at + length] === 0) length++
    if (length > best[1]) best = [at, length]
    at += length
  }
  return best
}

/** `10.0.0.0/8`, `fd00::/8`, or a single address. Undefined when it is none, or when bits behind the prefix are set. */
export function parseRange(text: string): AddressRange | undefined {
  const slash = text.indexOf('/')
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash))
  if (address === undefined) return undefined
  const widest = address.family === 4 ? 32 : 128
  const length = slash < 0 ? String(widest) : text.slice(slash + 1)
  if (!/^(?:0|[1-9]\d{0,2})$/.test(length) || Number(length) > widest) return undefined
  const range = { ...address, bits: Number(length) }
  return maskOf(range).every((word, index) => word === address.words[index]) ? range : undefined
}

/** The address with everything behind the prefix set to zero. */
export function maskOf({ words, bits }: AddressRange): readonly number[] {
  return words.map((word, index) => (word & wordMask(bits - 32 * index)) >>> 0)
}

function wordMask(bits: number): number {
  return bits <= 0 ? 0 : bits >= 32 ? 0xffffffff : (0xffffffff << (32 - bits)) >>> 0
}

/** True when `address` lies in `range`; families never mix. */
export function contains(range: AddressRange, address: Address): boolean {
  if (range.family !== address.family) return false
  for (let index = 0, bits = range.bits; bits > 0; index++, bits -= 32) {
    if (((range.words[index]! ^ address.words[index]!) & wordMask(bits)) !== 0) return false
  }
  return true
}

export function isSingle({ family, bits }: AddressRange): boolean {
  return bits === (family === 4 ? 32 : 128)
}

/** As it stands in a rule: IPv6 in brackets, a single address without its prefix. */
export function formatRange(range: AddressRange): string {
  const address = range.family === 4 ? formatAddress(range) : `[${formatAddress(range)}]`
  return isSingle(range) ? address : `${address}/${range.bits}`
}
