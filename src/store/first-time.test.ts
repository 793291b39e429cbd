import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { createFirstTime } from './first-time.ts'

let base: string
let folder: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'first-time-'))
  folder = join(base, 'data/notices')
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

describe('a key is new', () => {
  test('once, also for a later process', () => {
    const firstTime = createFirstTime(folder)
    expect([firstTime('a'), firstTime('a'), firstTime('b')]).toEqual([true, false, true])
    expect([createFirstTime(folder)('a'), createFirstTime(folder)('c')]).toEqual([false, true])
  })

  test('once in each scope', () => {
    const firstTime = createFirstTime(folder)
    expect([firstTime('a'), firstTime('a', '/p'), firstTime('a', '/q'), firstTime('a', '/p')]).toEqual([true, true, true, false])
  })

  test('whatever is in key and scope, which cannot be taken for each other', () => {
    const split = createFirstTime(folder)
    expect([split('bc', 'a'), split('c', 'ab'), split('abc'), split('', 'abc')]).toEqual([true, true, true, true])
    const text = fc.string({ maxLength: 8 }).map((part) => part.replaceAll('\0', ''))
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(text, text), { selector: (pair) => pair.join('\0') }), (pairs) => {
        rmSync(folder, { recursive: true, force: true })
        const firstTime = createFirstTime(folder)
        for (const [key, scope] of pairs) expect(firstTime(key, scope)).toBe(true)
        for (const [key, scope] of pairs) expect(firstTime(key, scope)).toBe(false)
      }),
      { numRuns: 30 },
    )
  })

  test('again when the folder is gone', () => {
    const firstTime = createFirstTime(folder)
    firstTime('a')
    rmSync(folder, { recursive: true })
    expect(firstTime('a')).toBe(true)
  })

  test('each time when nothing can be remembered', () => {
    writeFileSync(join(base, 'data'), 'a file where the folder would be')
    const firstTime = createFirstTime(folder)
    expect([firstTime('a'), firstTime('a')]).toEqual([true, true])
  })
})

test('nothing is made before the first question, and then for the user alone, without the text', () => {
  const firstTime = createFirstTime(folder)
  expect(existsSync(folder)).toBe(false)
  firstTime('a secret path', '/home/me/project')
  expect(statSync(folder).mode & 0o777).toBe(0o700)
  const [name, ...more] = readdirSync(folder)
  expect(more).toEqual([])
  expect(name).toMatch(/^[0-9a-f]{32}$/)
  expect(statSync(join(folder, name!))).toMatchObject({ size: 0 })
  expect(statSync(join(folder, name!)).mode & 0o777).toBe(0o600)
})
