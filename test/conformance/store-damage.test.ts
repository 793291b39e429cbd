import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { isAppError } from '../../src/contract/errors.ts'
import { openSqliteStore } from '../../src/store/sandboxes/sqlite.ts'
import { EVERY_METHOD, eventOf, failureOf, inFolder, letterOf, recordOf, replyOf } from './store-kit.ts'

const now = (): Date => new Date('2026-03-01T12:00:00.000Z')

/** The bytes of a store with something in every table. */
function filledStore(folder: string): Buffer {
  const path = join(folder, 'whole', 'sandboxes.db')
  const store = openSqliteStore(path, now)
  for (let index = 0; index < 30; index++) {
    store.insert(
      recordOf(`s${index}`, { labels: { a: 'b' }, environment: { A: 'b' }, spec: JSON.stringify({ padding: 'x'.repeat(300 * index) }) }),
    )
    store.appendEvent(eventOf('e', { labels: { a: 'b' }, metadata: { index } }))
    store.addDeadLetter(letterOf('e'))
    store.keepReply(`key${index}`, replyOf())
  }
  store.close()
  return readFileSync(path)
}

/** Uses every method of the store with these bytes. Whatever fails must be an expected failure. */
function useAll(path: string): string[] {
  const codes: string[] = []
  const attempt = (work: () => unknown): void => {
    try {
      work()
    } catch (error) {
      if (!isAppError(error)) throw error
      codes.push(error.code)
    }
  }
  attempt(() => {
    const store = openSqliteStore(path, now)
    for (const method of Object.values(EVERY_METHOD)) attempt(() => method(store))
    attempt(() => store.list())
    store.close()
  })
  return codes
}

describe('a damaged database', () => {
  test('is refused with its path and what to do', async () => {
    await inFolder((folder) => {
      const whole = filledStore(folder)
      const torn = Buffer.from(whole)
      torn.fill(0xa5, 100, 4096)
      const contents = {
        text: Buffer.from('this is no database\n'.repeat(500)),
        'a header and nothing else': whole.subarray(0, 100),
        'zeros of the same length': Buffer.alloc(whole.length),
        'a torn first page': torn,
      }
      for (const [title, bytes] of Object.entries(contents)) {
        const path = join(folder, title, 'sandboxes.db')
        mkdirSync(join(folder, title), { mode: 0o700 })
        writeFileSync(path, bytes)
        const failure = failureOf(() => {
          const store = openSqliteStore(path, now)
          try {
            store.list()
          } finally {
            store.close()
          }
        })
        expect([title, failure.code, failure.message.includes(`"${path}" is damaged`), failure.fix.includes(`"${path}-wal"`)]).toEqual([
          title,
          'store_failed',
          true,
          true,
        ])
        // It stays as it is, for whoever can repair it.
        expect(readFileSync(path).equals(bytes)).toBe(true)
      }
    })
  })

  test('with a record that somebody else wrote names the file and what cannot be read', async () => {
    await inFolder((folder) => {
      filledStore(folder)
      const path = join(folder, 'whole', 'sandboxes.db')
      {
        using raw = new Database(path)
        raw.run(`UPDATE sandboxes SET state = 'asleep' WHERE name = 's7'`)
      }
      const store = openSqliteStore(path, now)
      for (const work of [() => store.byName('s7'), () => store.list(), () => store.update(store.byName('s7')!.id, {})]) {
        const failure = failureOf(work)
        expect(failure.message).toBe(`the database "${path}" is damaged: the "state" of a record cannot be read`)
      }
      expect(store.byName('s8')?.name).toBe('s8')
      store.close()
    })
  })

  test('that was cut short fails as damaged, and an empty file is a new store', async () => {
    await inFolder((folder) => {
      const whole = filledStore(folder)
      for (const pages of [1, 2, 5, Math.floor(whole.length / 4096) - 1]) {
        const path = join(folder, `cut-${pages}`, 'sandboxes.db')
        mkdirSync(join(folder, `cut-${pages}`), { mode: 0o700 })
        writeFileSync(path, whole.subarray(0, pages * 4096))
        expect(useAll(path)).toContain('store_failed')
      }
      const empty = join(folder, 'empty', 'sandboxes.db')
      mkdirSync(join(folder, 'empty'), { mode: 0o700 })
      writeFileSync(empty, '')
      expect(useAll(empty)).toEqual([])
    })
  })

  test('with any bytes changed works or fails as expected, and never otherwise', async () => {
    await inFolder((folder) => {
      const whole = filledStore(folder)
      let round = 0
      const change = fc.record({ at: fc.nat(whole.length - 1), bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }) })
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 5 }), (changes) => {
          const bytes = Buffer.from(whole)
          for (const { at, bytes: other } of changes) bytes.set(other.subarray(0, bytes.length - at), at)
          const place = join(folder, `changed-${round++}`)
          mkdirSync(place, { mode: 0o700 })
          writeFileSync(join(place, 'sandboxes.db'), bytes)
          for (const code of useAll(join(place, 'sandboxes.db'))) expect(code).toMatch(/^(store_failed|already_exists)$/)
        }),
        { numRuns: 60 },
      )
    })
  }, 60_000)

  test('with a log of nonsense beside it is the store without the log', async () => {
    await inFolder((folder) => {
      const whole = filledStore(folder)
      const path = join(folder, 'logged', 'sandboxes.db')
      mkdirSync(join(folder, 'logged'), { mode: 0o700 })
      writeFileSync(path, whole)
      writeFileSync(`${path}-wal`, Buffer.alloc(50_000, 0x5a))
      writeFileSync(`${path}-shm`, Buffer.alloc(32_768, 0x5a))
      const store = openSqliteStore(path, now)
      expect(store.list()).toHaveLength(30)
      expect(store.appendEvent(eventOf('e')).seq).toBe(31)
      store.close()
    })
  })
})
