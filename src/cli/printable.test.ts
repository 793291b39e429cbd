import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { commandLine, printable, printableJson, printableLines, quoted } from './printable.ts'

test('terminal commands, direction overrides and half characters are shown as escapes', () => {
  expect(printable('a\x1b[31mb\x07\x9b\x7f')).toBe('a\\x1b[31mb\\x07\\x9b\\x7f')
  expect(printable('x\u202ey\u2066z\ufeff')).toBe('x\\u202ey\\u2066z\\ufeff')
  expect(printable('\ud800a')).toBe('\\ud800a')
  expect(printable('line\nnext\tcell\r')).toBe('line\\nnext\\tcell\\r')
})

test('ordinary text of any language stays as it is', () => {
  for (const text of ['Grüße', '日本語', '👩‍💻 ok', 'a\\b']) expect(printable(text)).toBe(text)
})

test('a line inside data cannot pose as a line of ours', () => {
  expect(printableLines('bad\nError: forged\n')).toBe('bad\n  Error: forged')
})

test('quoted text is cut by characters, never through one', () => {
  const cut = quoted('👍'.repeat(100))
  expect(cut).toEndWith('…"')
  expect(cut).not.toContain('\\u')
})

test('a command line shows which words belong together', () => {
  expect(commandLine(['python3', '-c', "print('hi')", '', 'a\nb'])).toBe(`python3 -c 'print('\\''hi'\\'')' '' 'a\\nb'`)
})

test('nothing unsafe is left, and JSON still says the same', () => {
  const unsafe = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(printable(text)).not.toMatch(unsafe)
      const json = printableJson({ text }, 2)
      expect(json).not.toMatch(unsafe)
      expect(JSON.parse(json)).toEqual({ text })
    }),
  )
})
