import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { BEGIN, END, replaceFigures } from './figures-section.ts'

test('only what is between the markers changes', () => {
  const page = `# Title\n\n${BEGIN}\nold $& figures\n${END}\n\ntail\n`
  const written = replaceFigures(page, 'new $& $1 figures\n')
  expect(written).toBe(`# Title\n\n${BEGIN}\n\nnew $& $1 figures\n\n${END}\n\ntail\n`)
})

test('writing the same figures twice changes nothing', () => {
  const once = replaceFigures(`${BEGIN}${END}`, 'figures')
  expect(replaceFigures(once, 'figures')).toBe(once)
})

test('a page without both markers, once and in order, is left alone', () => {
  expect(() => replaceFigures(BEGIN, 'x')).toThrow(`${END} is missing`)
  expect(() => replaceFigures(END, 'x')).toThrow(`${BEGIN} is missing`)
  expect(() => replaceFigures(`${END}${BEGIN}`, 'x')).toThrow('stands before')
  expect(() => replaceFigures(`${BEGIN}${END}${BEGIN}`, 'x')).toThrow('there twice')
})

test('BENCHMARK.md can take figures', () => {
  const page = readFileSync(join(import.meta.dir, '../BENCHMARK.md'), 'utf8')
  expect(replaceFigures(page, 'figures')).toContain(`${BEGIN}\n\nfigures\n\n${END}`)
})
