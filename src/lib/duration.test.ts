import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { parseDurationMs } from './duration.ts'

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

describe('a duration', () => {
  test.each([
    ['0', 0],
    ['90', 90_000],
    ['500ms', 500],
    ['45s', 45_000],
    ['30m', 1_800_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    [' 5s ', 5000],
  ])('%j is %d ms', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms)
  })

  test.each(['', ' ', '-1', '+1', '1.5h', '5 s', '5sec', '1h30m', 'm', 'S', '5M', '1e3', '0x5', 'Infinity', '9999999999999'])(
    '%j is none',
    (text) => {
      expect(parseDurationMs(text)).toBeUndefined()
    },
  )

  test('too long to count in ms exactly is none', () => {
    expect(parseDurationMs('999999999999d')).toBeUndefined()
  })

  test('of any whole number of a unit is that many ms, a bare number being seconds', () => {
    fc.assert(
      fc.property(fc.nat(100_000_000), fc.constantFrom(...(['', 'ms', 's', 'm', 'h', 'd'] as const)), (count, unit) => {
        expect(parseDurationMs(`${count}${unit}`)).toBe(count * UNITS[unit === '' ? 's' : unit])
      }),
    )
  })

  test('is a whole number of ms or none, whatever the text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9]{0,15}[msdh]{0,2}$/)), (text) => {
        const ms = parseDurationMs(text)
        expect(ms === undefined || (Number.isSafeInteger(ms) && ms >= 0)).toBe(true)
      }),
    )
  })
})
