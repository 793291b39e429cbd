import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { queryFor, readAnswer } from '../../../test/support/dns-message.ts'
import { encodeAnswer, headOnly, parseQuery, type Query, RCODE, readName, TYPE } from './message.ts'

const parsed = (bytes: Uint8Array): Query => {
  const query = parseQuery(bytes)
  if (query === undefined || 'rcode' in query) throw new TypeError('no query')
  return query
}

test('a question is read as it was asked, with the size that its client reads', () => {
  expect(parsed(queryFor('wWw.Example.com', TYPE.MX, { edns: 1_232 }))).toEqual({
    id: 0x1234,
    opcode: 0,
    recursionDesired: true,
    name: 'wWw.Example.com',
    type: TYPE.MX,
    class: 1,
    udpBytes: 1_232,
    hasEdns: true,
  })
  expect(parsed(queryFor('a.test', 1, { edns: 65_535 })).udpBytes).toBe(4_096)
  expect(parsed(queryFor('a.test', 1, { edns: 1 })).udpBytes).toBe(512)
})

test('answers, other operations and broken forms are not taken for questions', () => {
  const query = queryFor('a.test')
  const changed = (at: number, value: number): Uint8Array => Uint8Array.from(query, (byte, index) => (index === at ? value : byte))
  expect(parseQuery(changed(2, 0x80))).toBeUndefined()
  expect(parseQuery(query.subarray(0, 11))).toBeUndefined()
  expect(parseQuery(changed(2, 0x28))).toEqual({ id: 0x1234, rcode: RCODE.notImplemented })
  for (const bad of [changed(5, 2), changed(7, 1), changed(11, 1), query.subarray(0, -1), changed(12, 0x40), changed(13, 0x20)]) {
    expect(parseQuery(bad)).toEqual({ id: 0x1234, rcode: RCODE.formatError })
  }
})

test('pointers lead backwards, a few times only', () => {
  const bytes = Buffer.from([1, 0x61, 0, 1, 0x62, 0xc0, 0, 0xc0, 7, 0xc0, 10, 0xc0, 9])
  expect(readName(bytes, 3)).toEqual({ text: 'b.a', end: 7 })
  expect(readName(bytes, 7)).toBeUndefined()
  expect(readName(bytes, 9)).toBeUndefined()
  const chain = Buffer.from([0, ...Array.from({ length: 40 }, (_, index) => [0xc0, index === 0 ? 0 : 2 * index - 1]).flat()])
  expect(readName(chain, 79)).toBeUndefined()
})

test('names longer than 255 bytes and labels longer than 63 are none', () => {
  expect(readName(Buffer.from([...Array.from({ length: 4 }, () => [63, ...Array<number>(63).fill(0x61)]).flat(), 0]), 0)).toBeUndefined()
  expect(readName(Buffer.from([64, ...Array<number>(64).fill(0x61), 0]), 0)).toBeUndefined()
})

test('no bytes make it throw, and what it reads is bounded', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      const query = parseQuery(bytes)
      if (query !== undefined && !('rcode' in query)) expect(query.name.length).toBeLessThanOrEqual(253)
    }),
    { numRuns: 2_000 },
  )
  const good = queryFor('some.name.example.com', 1, { edns: 4_096 })
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), (at, value) => {
      const bytes = Uint8Array.from(good)
      bytes[at] = value
      const query = parseQuery(bytes)
      if (query !== undefined && !('rcode' in query)) readAnswer(encodeAnswer(query, { rcode: RCODE.ok }, 512))
    }),
  )
})

test('what is asked is what is answered, for every name', () => {
  const label = fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/)
  fc.assert(
    fc.property(fc.array(label, { minLength: 1, maxLength: 8 }), fc.nat(0xffffffff), (labels, word) => {
      const name = labels.join('.')
      const query = parsed(queryFor(name))
      expect(query.name).toBe(name)
      const bytes = encodeAnswer(query, { rcode: RCODE.ok, records: [{ type: TYPE.A, ttlS: 60, fields: [{ u32: word }] }] }, 512)
      expect(readAnswer(bytes)).toMatchObject({ id: 0x1234, rcode: 0, count: 1, ttlS: 60 })
      expect(readName(bytes, 12)?.text).toBe(name)
    }),
  )
})

test('an answer that is too long for the client is cut and marked, and by TCP it is whole', () => {
  const query = parsed(queryFor('a.test', TYPE.TXT))
  const records = Array.from({ length: 10 }, () => ({ type: TYPE.TXT, ttlS: 1, fields: [{ text: new Uint8Array(200) }] }))
  expect(readAnswer(encodeAnswer(query, { rcode: RCODE.ok, records }, query.udpBytes))).toMatchObject({ truncated: true, count: 0 })
  expect(readAnswer(encodeAnswer(query, { rcode: RCODE.ok, records }, 65_535))).toMatchObject({ truncated: false, count: 10 })
  const endless = Array.from({ length: 400 }, () => records[0]!)
  expect(readAnswer(encodeAnswer(query, { rcode: RCODE.ok, records: endless }, 65_535))).toMatchObject({ truncated: true, count: 0 })
})

test('a head alone answers what cannot be read', () => {
  expect(readAnswer(headOnly(7, RCODE.formatError))).toMatchObject({ id: 7, rcode: 1, count: 0 })
})
