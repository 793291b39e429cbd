import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { formatTtl, LONGEST_TTL_SECONDS, parseTtlSeconds } from './ttl.ts'

describe('a time to live', () => {
  test.each([
    ['0', 0],
    ['0d', 0],
    ['90', 90],
    ['45s', 45],
    ['30m', 1800],
    ['3h', 10_800],
    ['2d', 172_800],
    [' 1h ', 3600],
    ['36600d', LONGEST_TTL_SECONDS],
  ])('%j is %d seconds', (text, seconds) => {
    expect(parseTtlSeconds(text)).toBe(seconds)
  })

  test.each(['', '-1', '+1', '1.5h', '500ms', '0ms', '1h30m', '1w', '5M', 'never', '1e3', '36601d', '999999999999', '9999999999999d'])(
    '%j is none',
    (text) => {
      expect(parseTtlSeconds(text)).toBeUndefined()
    },
  )

  test.each([
    [0, 'no expiry'],
    [1, '1s'],
    [45, '45s'],
    [60, '1m'],
    [90, '90s'],
    [1800, '30m'],
    [5400, '90m'],
    [10_800, '3h'],
    [86_400, '1d'],
    [90_000, '25h'],
    [172_800, '2d'],
  ])('of %d seconds is shown as %j', (seconds, text) => {
    expect(formatTtl(seconds)).toBe(text)
  })

  test('reads back as what was shown, and is shown in the largest unit that is exact', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: LONGEST_TTL_SECONDS }), (seconds) => {
        const text = formatTtl(seconds)
        expect(parseTtlSeconds(text)).toBe(seconds)
        for (const [unit, size] of [
          ['d', 86_400],
          ['h', 3600],
          ['m', 60],
        ] as const) {
          if (seconds % size !== 0) continue
          expect(text).toBe(`${seconds / size}${unit}`)
          break
        }
      }),
    )
  })

  test('is a whole number of seconds in range or none, whatever the text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9]{0,15}[msdh]{0,2}$/)), (text) => {
        const seconds = parseTtlSeconds(text)
        expect(seconds === undefined || (Number.isSafeInteger(seconds) && seconds >= 0 && seconds <= LONGEST_TTL_SECONDS)).toBe(true)
      }),
    )
  })
})
