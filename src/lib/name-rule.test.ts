import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { MAX_NAME_LENGTH, nameProblem, sanitizeName } from './name-rule.ts'

/** The rule once more, as one expression. */
const VALID = /^(?=.{1,63}$)[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*$/

const nameLike = fc.stringMatching(/^[A-Za-z0-9_-]{0,70}$/)
const anyText = fc.oneof(nameLike, fc.string(), fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }))

describe('a name', () => {
  test.each(['a', 'A', '7', 'web', 'my-app', 'my_app', 'a-b_c-d', 'Web-1', 'a'.repeat(63)])('%j is good', (name) => {
    expect(nameProblem(name)).toBeUndefined()
  })

  test.each([
    ['', 'is empty'],
    ['a'.repeat(64), 'has 64 characters; the most is 63'],
    ['-a', 'begins with "-"'],
    ['_a', 'begins with "_"'],
    ['a-', 'ends with "-"'],
    ['a_', 'ends with "_"'],
    ['-', 'begins with "-"'],
    ['a--b', 'holds "--"'],
    ['a__b', 'holds "__"'],
    ['a-_b', 'holds "-_"'],
    ['a_-b', 'holds "_-"'],
    ['a b', 'holds a space'],
    ['a/b', 'holds "/"'],
    ['..', 'holds "."'],
    ['a.b', 'holds "."'],
    ['é', 'holds the character U+00E9'],
    ['a\n', 'holds the character U+000A'],
    ['a\0b', 'holds the character U+0000'],
    ['\ud800', 'holds the character U+D800'],
    ['😀', 'holds the character U+1F600'],
    ['ａ', 'holds the character U+FF41'],
  ])('%j is refused, and the rule is named', (name, rule) => {
    expect(nameProblem(name)).toContain(rule)
  })

  test('is good exactly when the rule says so', () => {
    fc.assert(fc.property(anyText, (name) => expect(nameProblem(name) === undefined).toBe(VALID.test(name))))
  })

  test('that is refused is told in a short line that is safe to print', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.string({ unit: 'binary', minLength: 1000, maxLength: 2000 })), (name) => {
        expect(nameProblem(name) ?? '').toMatch(/^[ -~]{0,200}$/)
      }),
    )
  })
})

describe('a name made of any text', () => {
  test.each([
    ['my-app-main', 'my-app-main'],
    ['my-app-feature/Login', 'my-app-feature-Login'],
    ['app-fix/#12: spaces  and -- dashes', 'app-fix-12-spaces-and-dashes'],
    ['  _app_ ', 'app'],
    ['a_-b', 'a_b'],
    ['café-Ünï', 'cafe-Uni'],
    ['../../etc/passwd', 'etc-passwd'],
  ])('of %j is %j', (text, name) => {
    expect(sanitizeName(text)).toBe(name)
  })

  test.each(['', '---', '/', '日本', '\0'])('%j leaves nothing to name', (text) => {
    expect(sanitizeName(text)).toBeUndefined()
  })

  test('is cut to the limit, and two that begin alike stay two', () => {
    const [one, two] = ['1', '2'].map((end) => sanitizeName(`my-app-${'very-long-branch-'.repeat(5)}${end}`))
    expect(one).toHaveLength(MAX_NAME_LENGTH)
    expect(two).toHaveLength(MAX_NAME_LENGTH)
    expect(one).not.toBe(two)
  })

  test('is a good name or none, whatever the text, and the same one again', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyText,
          fc.array(nameLike).map((parts) => parts.join('/')),
        ),
        (text) => {
          const name = sanitizeName(text)
          if (name === undefined) return
          expect(nameProblem(name)).toBeUndefined()
          expect(sanitizeName(text)).toBe(name)
          expect(sanitizeName(name)).toBe(name)
        },
      ),
    )
  })

  test('of a good name is that name', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9]{1,9}([-_][A-Za-z0-9]{1,9}){0,5}$/), (name) => expect(sanitizeName(name)).toBe(name)),
    )
  })
})
