import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { createUuidV7, isUuid } from './uuid-v7.ts'

const YEAR_10889 = 2 ** 48 - 1

describe('a UUIDv7', () => {
  test('has the form, the version and the variant of RFC 9562, in lower case', () => {
    const next = createUuidV7(Date.now)
    for (let count = 0; count < 1000; count++) {
      expect(next()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    }
  })

  test('begins with the time in ms', () => {
    const id = createUuidV7(() => 0x0198_c0de_1234)()
    expect(id.slice(0, 13)).toBe('0198c0de-1234')
  })

  test('is larger than the one before, a hundred thousand times within one millisecond', () => {
    const next = createUuidV7(() => 1_700_000_000_000)
    let last = ''
    for (let count = 0; count < 100_000; count++) {
      const id = next()
      if (id <= last) throw new Error(`${id} follows ${last}`)
      last = id
    }
  })

  test('is larger than the one before, whatever the clock does', () => {
    const anyTime = fc.oneof(fc.integer({ min: 0, max: YEAR_10889 }), fc.double({ min: -1e15, max: 1e15, noNaN: true }), fc.nat(3))
    fc.assert(
      fc.property(fc.array(anyTime, { minLength: 2, maxLength: 50 }), (times) => {
        let at = 0
        const next = createUuidV7(() => times[at++]!)
        const ids = times.map(() => next())
        expect(ids).toEqual([...new Set(ids)].sort())
        expect(ids.every(isUuid)).toBe(true)
      }),
    )
  })

  test('of two sources differs', () => {
    const ids = Array.from({ length: 1000 }, () => createUuidV7(() => 1_700_000_000_000)())
    expect(new Set(ids).size).toBe(ids.length)
  })
})

describe('a text', () => {
  test.each(['0198c0de-1234-7abc-8def-0123456789ab', '0198C0DE-1234-7ABC-8DEF-0123456789AB', '00000000-0000-0000-0000-000000000000'])(
    '%j is a UUID',
    (text) => {
      expect(isUuid(text)).toBe(true)
    },
  )

  test.each([
    '',
    'web',
    '0198c0de12347abc8def0123456789ab',
    '{0198c0de-1234-7abc-8def-0123456789ab}',
    '0198c0de-1234-7abc-8def-0123456789a',
    '0198c0de-1234-7abc-8def-0123456789abc',
    '0198c0de-1234-7abc-8def-0123456789ag',
    '0198c0de-1234-7abc-8def-0123456789ab\n',
    ' 0198c0de-1234-7abc-8def-0123456789ab',
  ])('%j is none', (text) => {
    expect(isUuid(text)).toBe(false)
  })
})
