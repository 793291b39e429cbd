import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { hasLabels, labelProblem, labelsProblem, MAX_LABELS, parseLabel } from './labels.ts'

const key = fc.stringMatching(/^[A-Za-z0-9._/-]{1,63}$/)
const value = fc.stringMatching(/^[ -~äöü]{0,255}$/)

describe('a label', () => {
  test.each([
    ['env=prod', 'env', 'prod'],
    ['env:prod', 'env', 'prod'],
    ['env=', 'env', ''],
    ['url=http://a:1', 'url', 'http://a:1'],
    ['a:b=c', 'a', 'b=c'],
    ['team.io/owner=Ä B', 'team.io/owner', 'Ä B'],
    ['__proto__=x', '__proto__', 'x'],
  ])('%j is read', (text, expectedKey, expectedValue) => {
    expect(parseLabel(text)).toEqual({ key: expectedKey, value: expectedValue })
  })

  test.each([
    ['', 'key=value or key:value'],
    ['env', 'key=value or key:value'],
    ['=prod', 'is empty'],
    [':prod', 'is empty'],
    ['e nv=prod', 'may hold only'],
    ['é=prod', 'may hold only'],
    [`${'k'.repeat(64)}=v`, 'has 64 characters; the most is 63'],
    [`k=${'v'.repeat(256)}`, 'value of label "k" has 256 characters; the most is 255'],
    ['k=a\nb', 'cannot be printed'],
    ['k=\u001b[31m', 'cannot be printed'],
    ['k=\u202e', 'cannot be printed'],
    ['k=\ud800', 'cannot be printed'],
    ['k=\u2028', 'cannot be printed'],
  ])('%j is refused with the reason', (text, reason) => {
    expect(parseLabel(text)).toEqual({ problem: expect.stringContaining(reason) })
  })

  test('of any good key and value is read with both separators', () => {
    fc.assert(
      fc.property(key, value, fc.constantFrom('=', ':'), (aKey, aValue, separator) => {
        expect(parseLabel(`${aKey}${separator}${aValue}`)).toEqual({ key: aKey, value: aValue })
      }),
    )
  })

  test('is read as a good pair, or refused in a short line that is safe to print', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.stringMatching(/^[a-z\n ]{0,80}[=:].{0,300}$/s)), (text) => {
        const label = parseLabel(text)
        if ('problem' in label) expect(label.problem).toMatch(/^[ -~]{1,200}$/)
        else expect(labelProblem(label.key, label.value)).toBeUndefined()
      }),
    )
  })
})

describe('the labels of a sandbox', () => {
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 'v']))

  test('are good when each is, up to the limit', () => {
    expect(labelsProblem({})).toBeUndefined()
    expect(labelsProblem(many(MAX_LABELS))).toBeUndefined()
    expect(labelsProblem(many(MAX_LABELS + 1))).toContain(`the most is ${MAX_LABELS}`)
    expect(labelsProblem({ good: 'x', 'b d': 'x' })).toContain('may hold only')
  })

  test('match a filter when they have all of it', () => {
    expect(hasLabels({ a: '1', b: '2' }, {})).toBe(true)
    expect(hasLabels({ a: '1', b: '2' }, { a: '1', b: '2' })).toBe(true)
    expect(hasLabels({ a: '1', b: '2' }, { a: '1', b: '3' })).toBe(false)
    expect(hasLabels({ a: '1' }, { a: '1', b: '2' })).toBe(false)
    expect(hasLabels({}, Object.fromEntries([['toString', 'x']]))).toBe(false)
    expect(hasLabels({}, Object.fromEntries([['__proto__', '']]))).toBe(false)
  })
})
