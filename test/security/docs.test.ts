import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const page = readFileSync(join(import.meta.dir, '../../docs/security.md'), 'utf8')
const promised = [...page.matchAll(/^- \*\*(S\d+)\*\* /gm)].map((match) => match[1])

/** Numbers that the titles of attacks name. */
const attacked = readdirSync(import.meta.dir)
  .filter((name) => name.endsWith('.test.ts') && name !== 'docs.test.ts')
  .flatMap((name) => [...readFileSync(join(import.meta.dir, name), 'utf8').matchAll(/(?:\bid: '|\btest\('|\btest\('S\d+ )(S\d+)\b/g)])
  .map((match) => match[1])

test('every promise of docs/security.md is attacked, and every attack names a promise', () => {
  expect(new Set(attacked)).toEqual(new Set(promised))
})

test('no promise has the number of another', () => {
  expect(promised.length).toBe(new Set(promised).size)
})
