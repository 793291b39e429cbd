import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { interleave, percentile, summarize } from './statistics.ts'

describe('percentile', () => {
  test('lies between two neighbours in proportion', () => {
    expect(percentile([10, 20, 30, 40], 0.5)).toBe(25)
    expect(percentile([10, 20, 30, 40, 50], 0.5)).toBe(30)
    expect(percentile([10, 20], 0.95)).toBeCloseTo(19.5)
    expect(percentile([7], 0.95)).toBe(7)
  })

  test('sorts by number, not by text, and leaves the list as it was', () => {
    const values = [100, 9, 20]
    expect(percentile(values, 0)).toBe(9)
    expect(percentile(values, 1)).toBe(100)
    expect(values).toEqual([100, 9, 20])
  })

  test('of nothing, or at an impossible place, is refused', () => {
    expect(() => percentile([], 0.5)).toThrow(RangeError)
    expect(() => percentile([1], 1.1)).toThrow(RangeError)
    expect(() => percentile([1], Number.NaN)).toThrow(RangeError)
  })

  test('never leaves the range of the values and grows with the fraction', () => {
    const values = fc.array(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), { minLength: 1 })
    const fraction = fc.double({ noNaN: true, min: 0, max: 1 })
    fc.assert(
      fc.property(values, fraction, fraction, (list, a, b) => {
        const [low, high] = [percentile(list, Math.min(a, b)), percentile(list, Math.max(a, b))]
        const slack = 1e-6
        expect(low).toBeLessThanOrEqual(high + slack)
        expect(low).toBeGreaterThanOrEqual(Math.min(...list) - slack)
        expect(high).toBeLessThanOrEqual(Math.max(...list) + slack)
      }),
    )
  })
})

test('a summary names count, minimum, median and 95th percentile', () => {
  const values = Array.from({ length: 101 }, (_, index) => 100 - index)
  expect(summarize(values)).toEqual({ count: 101, min: 0, p50: 50, p95: 95 })
})

test('an interleaved run takes every item once before any item again', () => {
  expect([...interleave(['a', 'b', 'c'], 3)].join('')).toBe('abcabcabc')
  expect([...interleave(['a'], 0)]).toEqual([])
})
