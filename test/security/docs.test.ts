import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const page = readFileSync(join(import.meta.dir, '../../docs/security.md'), 'utf8')
const promised = [...page.matchAll(/^- \*\*(S\d+)\*\* /gm)].map((match) => match[1])

/** Numbers that the titles of attacks name. */
const END_TO_END = join(import.meta.dir, '../e2e')
const attacked = [
  ...namesIn(import.meta.dir, (name) => name !== 'docs.test.ts'),
  // The network is attacked with a small internet around it.
  ...namesIn(END_TO_END, (name) => name.startsWith('network-')),
]

function namesIn(folder: string, wanted: (name: string) => boolean): (string | undefined)[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.test.ts') && wanted(name))
    .flatMap((name) => [...readFileSync(join(folder, name), 'utf8').matchAll(/(?:\bid: '|\btest(?:\.concurrent)?\('(?:S\d+ )?)(S\d+)\b/g)])
    .map((match) => match[1])
}

test('every promise of docs/security.md is attacked, and every attack names a promise', () => {
  expect(new Set(attacked)).toEqual(new Set(promised))
})

test('no promise has the number of another', () => {
  expect(promised.length).toBe(new Set(promised).size)
})
