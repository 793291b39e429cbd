import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { parse } from 'smol-toml'
import { createKeyLocator } from './locate-key.ts'
import type { KeyPath } from './locate-key.ts'

describe('the key locator', () => {
  const document = [
    '# a comment with [brackets] and = signs', // 1
    'top = 1', // 2
    '[sandbox]', // 3
    'name = "x" # name = "y"', // 4
    "base_image = '''", // 5
    'fake = 1', // 6
    "[fake]'''", // 7
    'a.b . "c d".\'e.f\' = true', // 8
    '[ security . "domains" ]', // 9
    'allow = [', // 10
    '  "a", # "no"', // 11
    '  "b]", "c",', // 12
    ']', // 13
    '[[files]]', // 14
    'source = "a"', // 15
    '[files.meta]', // 16
    'owner = 1979-05-27 07:32:00 # a date with a space', // 17
    '[[files]]', // 18
    'source = "b\\"[x]"', // 19
    '[ports]', // 20
    'list = [ { host = 1 }, {', // 21
    '  guest.port = 2 } ]', // 22
    '"\\u0061\\x62\\e\\"" = """', // 23
    'x = 1 \\""" still', // 24
    '""""" # five quotes: two of the text', // 25
    'last = 1', // 26
  ].join('\n')
  const cases: readonly (readonly [KeyPath, number])[] = [
    [['top'], 2],
    [['sandbox'], 3],
    [['sandbox', 'name'], 4],
    [['sandbox', 'base_image'], 5],
    [['sandbox', 'a'], 8],
    [['sandbox', 'a', 'b', 'c d', 'e.f'], 8],
    [['security'], 9],
    [['security', 'domains'], 9],
    [['security', 'domains', 'allow'], 10],
    [['security', 'domains', 'allow', 0], 11],
    [['security', 'domains', 'allow', 1], 12],
    [['security', 'domains', 'allow', 2], 12],
    [['files', 0], 14],
    [['files', 0, 'source'], 15],
    [['files', 0, 'meta', 'owner'], 17],
    [['files', 1], 18],
    [['files', 1, 'source'], 19],
    [['ports', 'list', 0, 'host'], 21],
    [['ports', 'list', 1], 21],
    [['ports', 'list', 1, 'guest', 'port'], 22],
    [['ports', 'ab\x1b"'], 23],
    [['ports', 'last'], 26],
  ]
  const locate = createKeyLocator(document)
  for (const [path, line] of cases) {
    test(`finds ${JSON.stringify(path.join('.'))} on line ${line}`, () => expect(locate(path)).toBe(line))
  }

  test('the example is a valid document', () => expect(() => parse(document)).not.toThrow())

  test('falls back to the line of the nearest table around a key that is not written', () => {
    expect(locate(['sandbox', 'missing'])).toBe(3)
    expect(locate(['files', 1, 'dest'])).toBe(18)
    expect(locate(['nowhere', 'at', 'all'])).toBe(1)
  })

  test('counts lines that end in CR LF and skips a byte order mark', () => {
    const dos = createKeyLocator('\ufeff[a]\r\nb = """\r\n\r\n"""\r\nc = 1\r\n')
    expect(dos(['a'])).toBe(1)
    expect(dos(['a', 'c'])).toBe(5)
  })

  test('stays linear and keeps its stack on huge hostile documents', () => {
    const dotted = `${'a.'.repeat(200_000)}a = 1`
    expect(createKeyLocator(dotted)(['a', 'a'])).toBe(1)
    expect(createKeyLocator(`${'#\n'.repeat(400_000)}b = 1`)(['b'])).toBe(400_001)
    expect(createKeyLocator(`a = """${'"x\n'.repeat(200_000)}"""\nb = 1`)(['b'])).toBe(200_002)
  })

  test('ends on text that is not TOML at all', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'[]{}="\'\\.,# \n\tab1') }), (text) => {
        const line = createKeyLocator(text)(['a'])
        expect(line).toBeGreaterThanOrEqual(1)
        expect(line).toBeLessThanOrEqual(text.split('\n').length)
      }),
      { numRuns: 2_000 },
    )
  })
})

/** A document that was written line by line, with the line of each key it holds. */
interface Written {
  readonly text: string
  readonly lines: readonly (readonly [KeyPath, number])[]
}
type Value = { readonly text: string; readonly inside: readonly (readonly [KeyPath, number])[] }

const key = fc.oneof(fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/), fc.string({ minLength: 1, maxLength: 6 }))
const isBare = (name: string): boolean => /^[A-Za-z0-9_-]+$/.test(name)
/** Bare where possible, else as a basic string with every odd character escaped. */
const written = (name: string): string =>
  isBare(name)
    ? name
    : `"${[...name].map((c) => (/^[ -!#-[\]-~]$/.test(c) ? c : `\\U${c.codePointAt(0)!.toString(16).padStart(8, '0')}`)).join('')}"`

const scalar: fc.Arbitrary<Value> = fc
  .constantFrom(
    '1',
    '-0.5',
    'true',
    '"a # b = [c]"',
    "'a \"b'",
    '1979-05-27 07:32:00',
    '"""\n[x]\ny = 1\n\\""""""',
    "'''\n''a''\n'''",
    '""',
    'inf',
  )
  .map((text) => ({ text, inside: [] }))
/** Lines inside a value are counted from 0 at the value's first line. */
const { value } = fc.letrec<{ value: Value; array: Value; inline: Value }>((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, { arbitrary: scalar, weight: 4 }, tie('array'), tie('inline')),
  array: fc.array(tie('value'), { maxLength: 3 }).map((items) => {
    let text = '['
    const inside: (readonly [KeyPath, number])[] = []
    for (const [index, item] of items.entries()) {
      text += index % 2 === 0 ? '\n  # comment ] " \n ' : ' '
      const start = text.split('\n').length - 1
      inside.push([[index], start], ...item.inside.map(([path, line]) => [[index, ...path], start + line] as const))
      text += `${item.text},`
    }
    return { text: `${text}\n]`, inside }
  }),
  inline: fc.uniqueArray(fc.tuple(key, tie('value')), { maxLength: 3, selector: ([name]) => name }).map((pairs) => {
    let text = '{ '
    const inside: (readonly [KeyPath, number])[] = []
    for (const [index, [name, item]] of pairs.entries()) {
      if (index > 0) text += ', '
      const start = text.split('\n').length - 1
      inside.push([[name], start], ...item.inside.map(([path, line]) => [[name, ...path], start + line] as const))
      text += `${written(name)} = ${item.text}`
    }
    return { text: `${text} }`, inside }
  }),
}))

const section = fc.record({
  names: fc.array(key, { minLength: 1, maxLength: 3 }),
  array: fc.boolean(),
  repeat: fc.integer({ min: 1, max: 3 }),
  pairs: fc.uniqueArray(fc.tuple(key, value), { maxLength: 4, selector: ([name]) => name }),
})

const writtenDocument: fc.Arbitrary<Written> = fc
  // Sections differ in their first name, so that no table is written twice.
  .uniqueArray(section, { maxLength: 5, selector: ({ names }) => names[0]! })
  .map((sections) => {
    const out: string[] = ['# head']
    const lines: (readonly [KeyPath, number])[] = []
    for (const { names, array, repeat, pairs } of sections) {
      for (let index = 0; index < (array ? repeat : 1); index++) {
        const here: KeyPath = array ? [...names, index] : names
        const header = names.map(written).join(' . ')
        out.push(array ? `[[ ${header} ]]` : `[${header}] # table`)
        lines.push([here, out.length])
        for (const [name, item] of pairs) {
          const start = out.length + 1
          lines.push([[...here, name], start], ...item.inside.map(([path, line]) => [[...here, name, ...path], start + line] as const))
          out.push(...`${written(name)} = ${item.text}`.split('\n'), '')
        }
      }
    }
    return { text: out.join('\n'), lines }
  })

test('every key of a generated document is reported on the line that holds it', () => {
  fc.assert(
    fc.property(writtenDocument, ({ text, lines }) => {
      const parsed = parse(text)
      const locate = createKeyLocator(text)
      for (const [path, line] of lines) {
        const value = path.reduce<unknown>((at, part) => (at as Record<string | number, unknown>)[part], parsed)
        expect(value).toBeDefined()
        expect([path, locate(path)]).toEqual([path, line])
      }
    }),
    { numRuns: 500 },
  )
})
