import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { normalPath, pathMatches } from './paths.ts'

test('a star stands for any characters, and nothing else is special', () => {
  const piece = fc.constantFrom('*', 'a', 'b', '/', '.', '(', '+')
  const text = fc.array(piece, { maxLength: 8 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(text, text, (pattern, path) => {
      const expected = new RegExp(`^${pattern.replace(/[.(+]/g, '\\$&').replaceAll('*', '[^]*')}$`).test(path)
      expect(pathMatches(pattern, path)).toBe(expected)
    }),
    { numRuns: 5000 },
  )
})

test('many stars cost no more than their number', () => {
  const started = performance.now()
  expect(pathMatches(`/${'*a'.repeat(500)}b`, `/${'a'.repeat(60_000)}`)).toBe(false)
  expect(performance.now() - started).toBeLessThan(1000)
})

test('a normal path stays as it is, and a query is no part of it', () => {
  fc.assert(
    fc.property(fc.webPath(), (path) => {
      const normal = normalPath(`${path}?q=../..`)
      if (normal !== undefined) expect(normalPath(normal)).toBe(normal)
    }),
  )
  expect(normalPath('/a%41%e4?b')).toBe('/aA%E4')
})
