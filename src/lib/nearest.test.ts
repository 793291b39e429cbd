import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { nearest } from './nearest.ts'

const COMMANDS = ['run', 'doctor', 'audit', 'agents', 'trust', 'init', 'completions', 'help']

describe('the nearest word', () => {
  test.each([
    ['rnu', 'run'],
    ['ru', 'run'],
    ['rum', 'run'],
    ['docter', 'doctor'],
    ['dcotor', 'doctor'],
    ['DOCTOR', 'doctor'],
    ['agent', 'agents'],
    ['completion', 'completions'],
    ['compeltoins', 'completions'],
    ['hlep', 'help'],
  ])('to the typo %j is %j', (typo, word) => {
    expect(nearest(typo, COMMANDS)).toBe(word)
  })

  test.each(['', 'x', 'sandbox', 'rxx', 'audacity', 'doctors-office'])('to %j is none: it is no typo of any', (word) => {
    expect(nearest(word, COMMANDS)).toBeUndefined()
  })

  test('is the first of two that are as near', () => {
    expect(nearest('bat', ['cat', 'hat'])).toBe('cat')
    expect(nearest('bat', ['hat', 'cat'])).toBe('hat')
  })

  test('of no words is none', () => {
    expect(nearest('run', [])).toBeUndefined()
  })

  const lower = fc.stringMatching(/^[a-z]{1,12}$/)

  test('is the word itself when it is there, in any case', () => {
    fc.assert(
      fc.property(lower, fc.array(lower), fc.array(lower), (word, before, after) => {
        expect(nearest(word.toUpperCase(), [...before, word, ...after])).toBe(word)
      }),
    )
  })

  test('is one of the words, within the distance a typo may have, and none nearer was there', () => {
    fc.assert(
      fc.property(lower, fc.array(lower, { maxLength: 6 }), (word, candidates) => {
        const distances = candidates.map((candidate) => distance(word, candidate))
        const least = Math.min(...distances)
        const expected = least <= Math.max(1, Math.floor(word.length / 3)) ? candidates[distances.indexOf(least)] : undefined
        expect(nearest(word, candidates)).toBe(expected!)
      }),
    )
  })
})

/** The definition itself, without the shortcuts: insert, delete, replace, swap neighbours. */
function distance(a: string, b: string): number {
  const known = new Map<string, number>()
  const from = (i: number, j: number): number => {
    if (i === 0 || j === 0) return i + j
    const key = `${i},${j}`
    const cached = known.get(key)
    if (cached !== undefined) return cached
    let value = Math.min(from(i - 1, j) + 1, from(i, j - 1) + 1, from(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1))
    if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) value = Math.min(value, from(i - 2, j - 2) + 1)
    known.set(key, value)
    return value
  }
  return from(a.length, b.length)
}
