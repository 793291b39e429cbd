import { expect, test } from 'bun:test'
import { formatNumber, formatTable } from './table.ts'

test('columns are padded, and numbers stand to the right', () => {
  const table = formatTable({
    title: 'Times',
    columns: ['what', 'p50 ms', 'note'],
    rows: [
      ['a', '12.5', 'x'],
      ['longer', '3', ''],
    ],
    notes: ['One note.'],
  })
  expect(table).toBe(`### Times

| what   | p50 ms | note |
| ------ | -----: | ---- |
| a      |   12.5 | x    |
| longer |      3 |      |

One note.`)
})

test('a column stands to the right only when all of it is numbers, units and dashes aside', () => {
  const rule = (...cells: string[]) =>
    formatTable({ title: 't', columns: ['a', 'b'], rows: cells.map((cell) => ['x', cell]) }).split('\n')[3]
  expect(rule('1.5 ms', '≤ 20 ×', '–', '1,000')).toEndWith(': |')
  expect(rule('2', '23.5 GiB', 'AMD EPYC')).not.toContain(':')
  expect(rule('2026-01-02 03:04 UTC')).not.toContain(':')
  expect(rule('–', '')).not.toContain(':')
})

test('a cell cannot break out of its column or line', () => {
  const table = formatTable({ title: 't', columns: ['a', 'b'], rows: [['x|y', 'one\ntwo']] })
  expect(table.split('\n').at(-1)).toBe('| x\\|y | one two |')
})

test('a row of another length is refused by name', () => {
  expect(() => formatTable({ title: 'Times', columns: ['a', 'b'], rows: [['only']] })).toThrow('"Times": a row of 1 cells under 2 columns')
})

test('a table without rows has its head', () => {
  expect(formatTable({ title: 't', columns: ['ab'], rows: [] })).toBe('### t\n\n| ab  |\n| --- |')
})

test('numbers keep about three digits', () => {
  expect([0.1234, 9.876, 12.345, 123.4, 0, -3.456].map(formatNumber)).toEqual(['0.12', '9.88', '12.3', '123', '0.00', '-3.46'])
})
