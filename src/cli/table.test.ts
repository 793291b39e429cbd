import { expect, test } from 'bun:test'
import { moment, roughly } from './moments.ts'
import { facts, table } from './table.ts'

test('columns are as wide as what they hold on a terminal, colours not counted', () => {
  const rows = [
    ['日本', '\x1b[32mok\x1b[39m', 'x'],
    ['a-longer-name', 'ok', 'y'],
  ]
  expect(
    table(
      [
        { title: 'NAME', width: 4 },
        { title: 'S', width: 4 },
        { title: 'END', width: 0 },
      ],
      rows,
    ),
  ).toBe('NAME          S   END\n日本          \x1b[32mok\x1b[39m  x\na-longer-name ok  y\n')
})

test('one long cell pushes only its own row', () => {
  const [, first, second] = table(
    [
      { title: 'A', width: 2 },
      { title: 'B', width: 2 },
    ],
    [
      ['x'.repeat(60), '1'],
      ['y', '2'],
    ],
  ).split('\n')
  expect([first!.length, second!.indexOf('2')]).toEqual([62, 40])
})

test('facts without a value are left out', () => {
  expect(
    facts([
      ['Name', 'dev'],
      ['IP', undefined],
      ['Long label', 'x'],
    ]),
  ).toBe('Name:        dev\nLong label:  x\n')
})

test('times are told with how long ago they were', () => {
  const now = new Date('2026-01-01T12:00:00Z')
  expect(moment('2026-01-01T11:59:57.900Z', now)).toBe('2026-01-01 11:59:57 UTC (2s ago)')
  expect(moment('2026-01-03T15:30:00Z', now)).toBe('2026-01-03 15:30:00 UTC (in 2d 3h)')
  expect(moment('not a time', now)).toBe('not a time')
})

test.each([
  [0, '0s'],
  [59.6, '1m'],
  [3600, '1h'],
  [90_061, '1d 1h'],
  [86_400 + 60, '1d'],
  [-5, '0s'],
])('%d seconds are roughly %s', (seconds, text) => {
  expect(roughly(seconds)).toBe(text)
})
