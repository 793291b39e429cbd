import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { encodeMessage } from './plan.ts'

test('a message is the length of its text in bytes, little-endian, and then its text', () => {
  const bytes = encodeMessage({ stage: '/mnt', mounts: [] })
  const text = '{"stage":"/mnt","mounts":[]}'
  expect([...bytes.subarray(0, 4)]).toEqual([text.length, 0, 0, 0])
  expect(new TextDecoder().decode(bytes.subarray(4))).toBe(text)
})

test('any text arrives as it was, characters of several bytes too', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), fc.string({ unit: 'binary' }), (stage, data) => {
      const message = { stage, mounts: [{ kind: 'file', target: 'a', data }] } as const
      const bytes = encodeMessage(message)
      expect(new DataView(bytes.buffer).getUint32(0, true)).toBe(bytes.length - 4)
      expect(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(4)))).toEqual(message)
    }),
  )
})
