import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { isAppError } from '../contract/errors.ts'
import { decodeJson, encodeJson } from './json.ts'

test('an object comes back as it was', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()), (value) => {
      expect(decodeJson(encodeJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
    }),
  )
})

test('anything else is refused, whatever it is', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 60 }),
        fc.json().map((text) => Buffer.from(text)),
      ),
      (payload) => {
        try {
          const value = decodeJson(payload)
          expect(typeof value === 'object' && value !== null && !Array.isArray(value)).toBe(true)
        } catch (error) {
          expect(isAppError(error, 'sandbox_lost')).toBe(true)
        }
      },
    ),
    { numRuns: 1_000 },
  )
})

test('nesting as deep as a frame allows neither stops nor ends the program', () => {
  const depth = 32_700
  for (const text of [`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`, `{"a":${'['.repeat(2 * depth)}`, '{"a":'.repeat(13_000)]) {
    try {
      decodeJson(Buffer.from(text))
    } catch (error) {
      expect(isAppError(error, 'sandbox_lost')).toBe(true)
    }
  }
})

test('a byte order mark is not JSON, and __proto__ is a name like any other', () => {
  expect(() => decodeJson(Buffer.from('\uFEFF{}'))).toThrow(/not JSON/)
  const hostile = decodeJson(Buffer.from('{"__proto__":{"code":"io"}}'))
  expect(hostile['code']).toBeUndefined()
})
