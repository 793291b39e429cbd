import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type Rule, ruleSet, streamReplacer } from './stream-replacer.ts'

const rule = (pattern: string, bytes: string): Rule => ({ pattern: Buffer.from(pattern), found: { bytes: Buffer.from(bytes) } })

function through(rules: readonly Rule[], chunks: readonly string[]): string {
  const filter = streamReplacer(ruleSet(rules))
  return Buffer.concat([...chunks.map((chunk) => filter.push(Buffer.from(chunk))), filter.end()]).toString()
}

/** What is meant: from left to right, at each place the longest. */
function plainly(rules: readonly (readonly [string, string])[], text: string): string {
  let result = ''
  for (let at = 0; at < text.length;) {
    const fits = rules.filter(([pattern]) => text.startsWith(pattern, at)).toSorted((a, b) => b[0].length - a[0].length)[0]
    result += fits === undefined ? text[at] : fits[1]
    at += fits === undefined ? 1 : fits[0].length
  }
  return result
}

function cutAt(text: string, places: readonly number[]): string[] {
  const sorted = [...new Set(places.map((place) => place % (text.length + 1)))].toSorted((a, b) => a - b)
  return [0, ...sorted].map((from, index) => text.slice(from, sorted[index] ?? text.length))
}

describe('a stream', () => {
  test('is changed alike, however it is cut', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 2, maxLength: 7 })
    const rules = fc.uniqueArray(fc.tuple(word, fc.string({ unit: fc.constantFrom('X', 'Y'), maxLength: 3 })), {
      minLength: 1,
      maxLength: 5,
      selector: ([pattern]) => pattern,
    })
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 60 })
    fc.assert(
      fc.property(rules, text, fc.array(fc.nat(), { maxLength: 12 }), (pairs, whole, cuts) => {
        const result = through(
          pairs.map(([from, to]) => rule(from, to)),
          cutAt(whole, cuts),
        )
        expect(result).toBe(plainly(pairs, whole))
      }),
      { numRuns: 5_000 },
    )
  })

  test('of single bytes is changed alike', () => {
    expect(through([rule('secret', '[x]')], [...'no secret, secretsecret, secre'])).toBe('no [x], [x][x], secre')
  })

  test('passes on at once what cannot be the beginning of a pattern', () => {
    const filter = streamReplacer(ruleSet([rule('sk-0123456789', 'x')]))
    expect(Buffer.from(filter.push(Buffer.from('data: one\n\n'))).toString()).toBe('data: one\n\n')
    expect(Buffer.from(filter.push(Buffer.from('data: sk-'))).toString()).toBe('data: ')
    expect(Buffer.from(filter.push(Buffer.from('other\n\n'))).toString()).toBe('sk-other\n\n')
    expect(filter.end().length).toBe(0)
  })

  test('that holds nothing is not copied', () => {
    const chunk = Buffer.alloc(65_536, 'x')
    expect(streamReplacer(ruleSet([rule('secret', '')])).push(chunk)).toBe(chunk)
  })

  test('ends where something must not pass', () => {
    const filter = streamReplacer(ruleSet([{ pattern: Buffer.from('stop'), found: { block: 'because' } }, rule('go', 'gone')]))
    expect(Buffer.from(filter.push(Buffer.from('go st'))).toString()).toBe('gone ')
    expect(filter.blocked).toBeUndefined()
    expect(filter.push(Buffer.from('op and more')).length).toBe(0)
    expect(filter.blocked).toBe('because')
    expect(filter.push(Buffer.from('go')).length + filter.end().length).toBe(0)
  })

  test('keeps its length when every pattern keeps its own', () => {
    expect(ruleSet([rule('ab', 'xy')]).changesLength).toBe(false)
    expect(ruleSet([rule('ab', 'xyz')]).changesLength).toBe(true)
    expect(ruleSet([{ pattern: Buffer.from('ab'), found: { keep: true } }]).changesLength).toBe(false)
  })

  test('that is made to look like a pattern again and again takes time in proportion to its length', () => {
    const filter = streamReplacer(ruleSet([rule(`${'a'.repeat(2_000)}b`, 'x')]))
    const chunk = Buffer.alloc(1_000, 'a')
    const start = performance.now()
    for (let i = 0; i < 1_000; i++) filter.push(chunk)
    expect(performance.now() - start).toBeLessThan(2_000)
  })
})
