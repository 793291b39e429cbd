import { contains, parseAddress, parseRange } from './address.ts'
import type { Address, AddressRange } from './address.ts'

/**
 * Addresses that no rule for names and not `public` covers: they lead into the machine, its network or its cloud. Sources: the
 * IANA registries of special-purpose addresses, RFC 6890, and the documentation of each cloud for the addresses at which it hands
 * out credentials. The documentation ranges (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32) are ordinary: nothing is
 * routed there, and tests and examples stand on them.
 */
export interface SpecialClass {
  /** Completes "it is …". */
  readonly phrase: string
  /** The range that makes it special; a rule whose range lies inside names it. */
  readonly range?: AddressRange
  /** `exact`: only a rule for this very address names it. `cloud`: likewise, and no hint is given. */
  readonly named: 'range' | 'exact' | 'cloud'
}

const CLOUD = 'an address at which clouds hand out credentials'
/** Metadata services and agents of clouds, the public one of Azure too. */
const CLOUD_ADDRESSES = [
  '169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  '169.254.169.253',
  '169.254.169.123',
  '169.254.42.42',
  '169.254.0.23',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  'fd00:ec2::254',
  'fd00:ec2::253',
  'fd00:ec2::23',
  'fd20:ce::254',
  'fd00:42::42',
  'fd00:c1::a9fe:a9fe',
]

const SPECIAL_4 = [
  ['0.0.0.0/8', 'an address of "this network"'],
  ['10.0.0.0/8', 'a private address'],
  ['100.64.0.0/10', 'a carrier-grade NAT address'],
  ['127.0.0.0/8', 'a loopback address'],
  ['169.254.0.0/16', 'a link-local address'],
  ['172.16.0.0/12', 'a private address'],
  ['192.0.0.0/24', 'an address for protocol assignments'],
  ['192.88.99.0/24', 'a 6to4 relay address'],
  ['192.168.0.0/16', 'a private address'],
  ['198.18.0.0/15', 'a benchmark address, which sandboxes use inside'],
  ['224.0.0.0/4', 'a multicast address'],
  ['255.255.255.255/32', 'the broadcast address'],
  ['240.0.0.0/4', 'a reserved address'],
] as const

const SPECIAL_6 = [
  ['::1/128', 'a loopback address'],
  ['::/128', 'the unspecified address'],
  ['64:ff9b:1::/48', 'a NAT64 address of a local network'],
  ['100::/64', 'a discard address'],
  ['2001:2::/48', 'a benchmark address'],
  // Teredo, of the same block, is looked into first.
  ['2001::/23', 'an address for protocol assignments'],
  ['3fff::/20', 'a documentation address'],
  ['5f00::/16', 'a segment routing address'],
  ['fc00::/7', 'a unique local address'],
  ['fe80::/10', 'a link-local address'],
  ['fec0::/10', 'a site-local address'],
  ['ff00::/8', 'a multicast address'],
] as const

interface Row {
  readonly range: AddressRange
  readonly phrase: string
}
const rowsOf = (table: readonly (readonly [string, string])[]): readonly Row[] =>
  table.map(([text, phrase]) => ({ range: fixedRange(text), phrase }))
const fixedRange = (text: string): AddressRange => parseRange(text)!
const keyOf = ({ words }: Address): string => words.join(' ')

const ROWS_4 = rowsOf(SPECIAL_4)
const ROWS_6 = rowsOf(SPECIAL_6)
const CLOUD_KEYS: ReadonlySet<string> = new Set(CLOUD_ADDRESSES.map((text) => keyOf(parseAddress(text)!)))
/** What IANA has given out for the Internet; the rest of IPv6 is reserved. */
const GLOBAL_6 = fixedRange('2000::/3')
const TEREDO = fixedRange('2001::/32')
const NAT64 = fixedRange('64:ff9b::/96')

/** Tells for each address why it is special; undefined = an ordinary public address. `own` are the host's, as literals. */
export function specialAddresses(own: readonly string[]): (address: Address) => SpecialClass | undefined {
  const ownKeys = new Set(own.flatMap((text) => parseAddress(text.replace(/%.*$/, '')) ?? []).map(keyOf))
  const classify = (address: Address): SpecialClass | undefined => {
    const key = keyOf(address)
    if (CLOUD_KEYS.has(key)) return { phrase: CLOUD, named: 'cloud' }
    if (ownKeys.has(key)) return { phrase: 'an address of this machine itself', named: 'exact' }
    if (address.family === 6) return embedded(address, classify) ?? ordinary6(address)
    const row = ROWS_4.find(({ range }) => contains(range, address))
    return row === undefined ? undefined : classOf(row)
  }
  return classify
}

/** Loopback is this machine too: a whole range of it is never what somebody means. */
function classOf({ range, phrase }: Row): SpecialClass {
  return { phrase, range, named: phrase === 'a loopback address' ? 'exact' : 'range' }
}

function ordinary6(address: Address): SpecialClass | undefined {
  const row = ROWS_6.find(({ range }) => contains(range, address))
  if (row !== undefined) return contains(TEREDO, address) ? undefined : classOf(row)
  const passes = contains(GLOBAL_6, address) || contains(NAT64, address)
  return passes ? undefined : { phrase: 'a reserved address', named: 'exact' }
}

/** An IPv6 address that stands for a special IPv4 address is as special as that. */
function embedded(address: Address, classify: (address: Address) => SpecialClass | undefined): SpecialClass | undefined {
  const forms = embeddedForms(address)
  if (forms === undefined) return undefined
  for (const inner of forms.addresses) {
    const found = classify(inner)
    if (found !== undefined) {
      return { phrase: `${forms.phrase} that stands for ${found.phrase}`, named: found.named === 'cloud' ? 'cloud' : 'exact' }
    }
  }
  return forms.always ? { phrase: forms.phrase, named: 'exact' } : undefined
}

interface EmbeddedForms {
  readonly phrase: string
  readonly addresses: readonly Address[]
  /** Special whatever is inside: no host on the Internet has such an address. */
  readonly always: boolean
}

/** The IPv4 addresses inside an IPv6 address; undefined when it holds none. */
function embeddedForms({ words }: Address): EmbeddedForms | undefined {
  const [a, b, c, d] = words as readonly [number, number, number, number]
  const quad = (word: number): Address => ({ family: 4, words: [word >>> 0] })
  if (a === 0 && b === 0) {
    if (c === 0xffff) return { phrase: 'an IPv4-mapped address', addresses: [quad(d)], always: true }
    if (c === 0xffff0000) return { phrase: 'an IPv4-translated address', addresses: [quad(d)], always: true }
    if (c === 0 && d > 1) return { phrase: 'an IPv4-compatible address', addresses: [quad(d)], always: true }
  }
  if (a === 0x64ff9b && b === 0 && c === 0) return { phrase: 'a NAT64 address', addresses: [quad(d)], always: false }
  if (a >>> 16 === 0x2002) {
    return { phrase: 'a 6to4 address', addresses: [quad((a << 16) | (b >>> 16))], always: false }
  }
  // Server and, with all bits turned over, client.
  if (a === 0x20010000) return { phrase: 'a Teredo address', addresses: [quad(b), quad(~d)], always: false }
  return undefined
}

/** Every address that this one is or stands for: a block of an IPv4 address holds for all its forms. */
export function formsOf(address: Address): readonly Address[] {
  return address.family === 4 ? [address] : [address, ...(embeddedForms(address)?.addresses ?? [])]
}

/** True when the whole range is special, so that a rule for it is no rule for the Internet. */
export function isSpecialRange(range: AddressRange): boolean {
  const rows = range.family === 4 ? ROWS_4 : ROWS_6
  return rows.some((row) => row.range.bits <= range.bits && contains(row.range, range))
}
