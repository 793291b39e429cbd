import { expect, test } from 'bun:test'
import { parseOptions } from './options.ts'

test('60 rounds unless asked for another number, 3 when in a hurry', () => {
  expect(parseOptions([])).toEqual({ runs: 60, only: undefined, quick: false, json: false, stages: false, write: false })
  expect(parseOptions(['--quick']).runs).toBe(3)
  expect(parseOptions(['--quick', '--runs', '7']).runs).toBe(7)
})

test('a number of rounds that makes no sense is refused with what would', () => {
  for (const runs of ['0', '-1', '1.5', 'many', '1e9']) expect(() => parseOptions([`--runs=${runs}`])).toThrow('a whole number from 1 to')
})

test('figures of half a run are never written', () => {
  expect(() => parseOptions(['--write', '--quick'])).toThrow('--write needs a whole run')
  expect(() => parseOptions(['--write', '--only', 'bwrap'])).toThrow('--write needs a whole run')
})

test('an unknown option is answered with the usage', () => {
  expect(() => parseOptions(['--fast'])).toThrow('bun run bench [--runs N]')
  expect(() => parseOptions(['fast'])).toThrow('bun run bench [--runs N]')
})
