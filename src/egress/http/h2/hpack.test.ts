import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import type { Headers } from '../head.ts'
import { readFields } from './fields.ts'
import { ConnectionError, encodeFrame, FrameReader } from './frames.ts'
import { BadBlock, encodeBlock, HpackDecoder } from './hpack.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('header blocks', () => {
  test('of the standard are read, with Huffman codes and without (RFC 7541, C.3, C.4 and C.6)', () => {
    const first: Headers = [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'www.example.com'],
    ]
    const second: Headers = [...first, ['cache-control', 'no-cache']]
    const third: Headers = [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':path', '/index.html'],
      [':authority', 'www.example.com'],
      ['custom-key', 'custom-value'],
    ]
    const plain = new HpackDecoder()
    expect(plain.decode(hex('8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d'))).toEqual(first)
    expect(plain.decode(hex('8286 84be 5808 6e6f 2d63 6163 6865'))).toEqual(second)
    expect(plain.decode(hex('8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65'))).toEqual(third)
    const huffman = new HpackDecoder()
    expect(huffman.decode(hex('8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff'))).toEqual(first)
    expect(huffman.decode(hex('8286 84be 5886 a8eb 1064 9cbf'))).toEqual(second)
    expect(huffman.decode(hex('8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf'))).toEqual(third)
    const response = hex(
      '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
    )
    expect(new HpackDecoder().decode(response)).toEqual([
      [':status', '302'],
      ['cache-control', 'private'],
      ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
      ['location', 'https://www.example.com'],
    ])
  })

  test('are read as they were written', () => {
    const name = fc.stringMatching(/^[a-z-]{1,30}$/)
    const value = fc.stringMatching(/^[ -~]{0,200}$/)
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.oneof(name, fc.constantFrom(':path', 'cookie', 'accept')), value), { maxLength: 30 }), (headers) => {
        expect(new HpackDecoder().decode(encodeBlock(headers))).toEqual(headers)
      }),
    )
  })

  test('of any bytes are read or refused, and never anything else', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 5 }), (blocks) => {
        const decoder = new HpackDecoder()
        try {
          for (const block of blocks) decoder.decode(block)
        } catch (error) {
          expect(error).toBeInstanceOf(BadBlock)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  test('that become far more than they are do not', () => {
    const decoder = new HpackDecoder()
    decoder.decode(Buffer.concat([hex('4001 61 7f a11e'), Buffer.alloc(4_000, 0x62)]))
    expect(() => decoder.decode(Buffer.alloc(16_000, 0xbe))).toThrow(BadBlock)
  })

  test.each(['80', 'ff8080808080', '4085', '3fe2ff03', '82 20', '0081ff', '0082fffe', '00'])('like %s are refused', (text) => {
    expect(() => new HpackDecoder().decode(hex(text))).toThrow(BadBlock)
  })
})

test('frames are cut wherever the bytes are, and one that is too large is refused', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 5 }), fc.integer({ min: 1, max: 50 }), (payloads, step) => {
      const all = Buffer.concat(payloads.map((payload, index) => encodeFrame(index, 5, index * 2 + 1, payload)))
      const reader = new FrameReader()
      const frames = []
      for (let at = 0; at < all.length; at += step) {
        for (const frame of reader.push(all.subarray(at, at + step))) frames.push({ ...frame, payload: Buffer.from(frame.payload) })
      }
      expect(frames.map(({ payload }) => payload)).toEqual(payloads.map((payload) => Buffer.from(payload)))
    }),
  )
  expect(() => new FrameReader().push(hex('010000 00 00 00000001'))).toThrow(ConnectionError)
})

describe('headers', () => {
  const read = (headers: Headers) => readFields(headers, [':path'], 400)

  test('are kept in order, and cookies are one', () => {
    const { pseudo, headers } = read([
      [':path', '/'],
      ['cookie', 'a=1'],
      ['x', '2'],
      ['cookie', 'b=2'],
    ])
    expect(pseudo.get(':path')).toBe('/')
    expect(headers).toEqual([
      ['x', '2'],
      ['cookie', 'a=1; b=2'],
    ])
  })

  test.each([
    ['an upper case name', [['X', '1']]],
    ['a line break', [['x', 'a\r\nb: c']]],
    ['a NUL', [['x', '\0']]],
    ['a space at an end', [['x', ' a']]],
    [
      'a pseudo header after others',
      [
        ['x', '1'],
        [':path', '/'],
      ],
    ],
    [
      'a pseudo header twice',
      [
        [':path', '/'],
        [':path', '/x'],
      ],
    ],
    ['an unknown pseudo header', [[':evil', '1']]],
    ['a header of the connection', [['transfer-encoding', 'chunked']]],
    ['an upgrade', [['upgrade', 'websocket']]],
    ['a name with a colon', [['a:b', '1']]],
  ] as const)('with %s are refused', (_name, headers) => expect(() => read(headers)).toThrow())
})
