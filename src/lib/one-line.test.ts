import { expect, test } from 'bun:test'
import { oneLine } from './one-line.ts'

test('text is one line, whatever the terminal or the log makes of its characters', () => {
  expect(oneLine('a\r\nb\tc')).toBe('a b c')
  expect(oneLine('red \u001b[31m, also \u009b31m')).toBe('red  [31m, also  31m')
  expect(oneLine('next\u0085line\u2028and\u2029paragraph\u007f')).toBe('next line and paragraph ')
  expect(oneLine('\u0000')).toBe(' ')
})

test('every other text stays as it is', () => {
  for (const text of ['', 'héllo wörld', '日本語 \u{1f600}', '\u00a0 ~']) expect(oneLine(text)).toBe(text)
})
