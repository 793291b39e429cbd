import { describe, expect, test } from 'bun:test'
import { isIP } from 'node:net'
import fc from 'fast-check'
import { contains, formatAddress, parseAddress, parseRange } from './address.ts'
import { specialAddresses } from './special-addresses.ts'

const own = ['192.0.2.77', '2001:db8::77', 'fe80::77%eth0', '127.0.0.1', '::1']
const classify = specialAddresses(own)
const phrase = (text: string): string | undefined => classify(parseAddress(text)!)?.phrase

describe('addresses', () => {
  test.each([
    '127.1',
    '0x7f.0.0.1',
    '0177.0.0.1',
    '2130706433',
    '1.2.3.4.',
    '1.2.3',
    '01.2.3.4',
    '256.1.1.1',
    '',
    '::1%lo',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '::1.2.3',
    '12345::',
    '1.2.3.4::',
    '::1.2.3.4:5',
    ' ::1',
  ])('%p is none', (text) => expect(parseAddress(text)).toBeUndefined())

  test.each([
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::FFFF:0a00:0001', '::ffff:10.0.0.1'],
    ['64:ff9b::10.0.0.1', '64:ff9b::a00:1'],
    ['0:0:0:0:0:0:0:0', '::'],
  ])('%s is written %s', (text, canonical) => expect(formatAddress(parseAddress(text)!)).toBe(canonical))

  test('what the system reads as IPv6, and dotted quads, are read, and written so that they are read as the same', () => {
    const piece = fc.constantFrom('0', '1', 'ffff', ':', '::', '.', '1.2.3.4', 'abcd', '10', 'g')
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.array(piece, { maxLength: 12 }).map((parts) => parts.join('')),
    )
    fc.assert(
      fc.property(text, (one) => {
        const address = parseAddress(one)
        expect(address?.family ?? 0).toBe(isIP(one) as 0 | 4 | 6)
        if (address !== undefined) expect(parseAddress(formatAddress(address))).toEqual(address)
      }),
      { numRuns: 5000 },
    )
  })

  test('a prefix covers exactly the addresses that share its bits', () => {
    const bitsOf = (text: string) =>
      parseAddress(text)!
        .words.map((word) => word.toString(2).padStart(32, '0'))
        .join('')
    fc.assert(
      fc.property(fc.oneof(fc.tuple(fc.ipV4(), fc.ipV4(), fc.nat(32)), fc.tuple(fc.ipV6(), fc.ipV6(), fc.nat(128))), ([a, b, length]) => {
        const words = parseAddress(a)!.words.map((word, index) => {
          const keep = Math.min(32, Math.max(0, length - 32 * index))
          return keep === 0 ? 0 : Number((BigInt(word) >> BigInt(32 - keep)) << BigInt(32 - keep))
        })
        const base = formatAddress({ family: parseAddress(a)!.family, words })
        const range = parseRange(`${base}/${length}`)!
        expect(contains(range, parseAddress(a)!)).toBe(true)
        expect(contains(range, parseAddress(b)!)).toBe(bitsOf(a).slice(0, length) === bitsOf(b).slice(0, length))
      }),
    )
  })
})

describe('special addresses', () => {
  test.each([
    ['0.0.0.0', /this network/],
    ['0.1.2.3', /this network/],
    ['10.255.255.255', /private/],
    ['100.64.0.1', /carrier-grade/],
    ['100.127.255.255', /carrier-grade/],
    ['127.0.0.1', /this machine itself/],
    ['127.9.9.9', /loopback/],
    ['169.254.1.1', /link-local/],
    ['169.254.169.254', /clouds/],
    ['169.254.170.2', /clouds/],
    ['100.100.100.200', /clouds/],
    ['168.63.129.16', /clouds/],
    ['192.0.0.192', /clouds/],
    ['172.16.0.1', /private/],
    ['172.31.255.255', /private/],
    ['192.168.0.1', /private/],
    ['198.18.0.1', /benchmark/],
    ['198.19.255.255', /benchmark/],
    ['224.0.0.1', /multicast/],
    ['239.255.255.255', /multicast/],
    ['240.0.0.1', /reserved/],
    ['255.255.255.255', /broadcast/],
    ['192.0.2.77', /this machine itself/],
    ['2001:db8::77', /this machine itself/],
    ['::', /unspecified/],
    ['::1', /this machine itself/],
    ['::2', /IPv4-compatible/],
    ['::10.0.0.1', /IPv4-compatible.*private/],
    ['::ffff:8.8.8.8', /IPv4-mapped/],
    ['::ffff:127.0.0.1', /IPv4-mapped.*this machine/],
    ['::ffff:169.254.169.254', /IPv4-mapped.*clouds/],
    ['::ffff:0:10.0.0.1', /IPv4-translated/],
    ['64:ff9b::10.0.0.1', /NAT64.*private/],
    ['64:ff9b::169.254.169.254', /NAT64.*clouds/],
    ['64:ff9b::192.0.2.77', /NAT64.*this machine/],
    ['64:ff9b:1::8.8.8.8', /NAT64/],
    ['2002:a00:1::', /6to4.*private/],
    ['2002:c000:24d::1', /6to4.*this machine/],
    ['2001:0:a00:1::', /Teredo/],
    // The client's bits are turned over: 10.0.0.1.
    ['2001:0:808:808:0:0:f5ff:fffe', /Teredo.*private/],
    ['2001:2::1', /benchmark/],
    ['2001:10::1', /protocol assignments/],
    ['fc00::1', /unique local/],
    ['fd00:ec2::254', /clouds/],
    ['fe80::1', /link-local/],
    ['fe80::77', /this machine itself/],
    ['fec0::1', /site-local/],
    ['ff02::1', /multicast/],
    ['100::1', /discard/],
    ['4000::1', /reserved/],
    ['5f00::1', /segment/],
  ])('%s', (text, expected) => expect(phrase(text)).toMatch(expected))

  test.each([
    '8.8.8.8',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '198.17.255.255',
    '198.20.0.0',
    '223.255.255.255',
    '192.0.2.1',
    '203.0.113.9',
    '2001:db8::1',
    '2606:4700::1',
    '64:ff9b::8.8.8.8',
    '2002:808:808::1',
    '2001:4860::1',
    '2001:200::1',
  ])('%s is an ordinary one', (text) => expect(phrase(text)).toBeUndefined())

  test('an IPv6 form of a special IPv4 address is special, whichever form', () => {
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        const address = parseAddress(text)!
        const hex = `${(address.words[0]! >>> 16).toString(16)}:${(address.words[0]! & 0xffff).toString(16)}`
        const turned = ~address.words[0]! >>> 0
        const forms = [`::ffff:${text}`, `64:ff9b::${text}`, `2002:${hex}::1`, `2001:0:${hex}::f7f7:f7f7`]
        const client = `2001:0:808:808::${(turned >>> 16).toString(16)}:${(turned & 0xffff).toString(16)}`
        if (phrase(text) !== undefined) for (const form of [...forms, client]) expect([form, phrase(form)]).not.toEqual([form, undefined])
      }),
    )
  })
})
