import { Database } from 'bun:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AppError, isAppError } from '../../contract/errors.ts'
import { ignore } from '../../lib/ignore.ts'
import { StoreDatabase } from './database.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentkernel-database-'))
  path = join(folder, 'data', 'sandboxes.db')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const mode = (file: string): string => (statSync(file).mode & 0o777).toString(8)

function failureOf(work: () => unknown): AppError {
  try {
    work()
  } catch (error) {
    if (isAppError(error)) return error
    throw error
  }
  throw new Error('expected a failure')
}

describe('the file of a database', () => {
  test('is for its user alone, with its folder and the files beside it, whatever the umask', () => {
    const before = process.umask(0)
    try {
      const database = new StoreDatabase(path)
      expect([join(folder, 'data'), path, `${path}-wal`, `${path}-shm`].map(mode)).toEqual(['700', '600', '600', '600'])
      database.close()
    } finally {
      process.umask(before)
    }
  })

  test('is taken from the eyes of others when they could read it', () => {
    new StoreDatabase(path).close()
    chmodSync(path, 0o644)
    const database = new StoreDatabase(path)
    expect([path, `${path}-wal`, `${path}-shm`].map(mode)).toEqual(['600', '600', '600'])
    database.close()
  })

  test('is opened with its settings', () => {
    const database = new StoreDatabase(path)
    const setting = (name: string): unknown => Object.values(database.one(`PRAGMA ${name}`) ?? {})[0]
    expect(['journal_mode', 'synchronous', 'busy_timeout', 'foreign_keys'].map(setting)).toEqual(['wal', 1, 5000, 1])
    database.close()
  })

  test('is alone in its folder and held by nobody once it is closed', () => {
    const database = new StoreDatabase(path)
    database.all('SELECT * FROM events')
    database.close()
    expect(readdirSync(join(folder, 'data'))).toEqual(['sandboxes.db'])
    const held = readdirSync('/proc/self/fd').map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`)
      } catch (error) {
        ignore(error, 'the descriptor of the listing itself is gone')
        return ''
      }
    })
    expect(held.filter((target) => target.startsWith(folder))).toEqual([])
  })

  test('is not looked for in a folder that others can change', () => {
    mkdirSync(join(folder, 'data'))
    chmodSync(join(folder, 'data'), 0o777)
    const failure = failureOf(() => new StoreDatabase(path))
    expect(failure.code).toBe('store_failed')
    expect(failure.fix).toContain('chmod 700')
    expect(existsSync(path)).toBe(false)
  })

  test('is no link, folder or pipe', () => {
    mkdirSync(join(folder, 'data'), { mode: 0o700 })
    const target = join(folder, 'target')
    writeFileSync(target, 'precious')
    const plant: readonly (() => void)[] = [
      () => symlinkSync(target, path),
      () => symlinkSync(join(folder, 'nowhere'), path),
      () => mkdirSync(path),
      () => expect(Bun.spawnSync(['mkfifo', path]).exitCode).toBe(0),
    ]
    for (const make of plant) {
      make()
      const failure = failureOf(() => new StoreDatabase(path))
      expect([failure.code, failure.message]).toEqual(['store_failed', `the database "${path}" is not a file`])
      rmSync(path, { recursive: true })
    }
    expect(existsSync(join(folder, 'nowhere'))).toBe(false)
  })

  test('that cannot be made names its path', () => {
    writeFileSync(join(folder, 'data'), 'a file where the folder should be')
    const failure = failureOf(() => new StoreDatabase(path))
    expect(failure.code).toBe('store_failed')
    expect(failure.message).toContain(path)
  })

  test('of a newer release is refused with both versions, and stays as it is', () => {
    new StoreDatabase(path).close()
    {
      using raw = new Database(path)
      raw.run('PRAGMA user_version = 77')
    }
    const failure = failureOf(() => new StoreDatabase(path))
    expect(failure.code).toBe('store_failed')
    expect(failure.message).toMatch(/version 77, made by a newer agentkernel; this one knows versions up to \d+/)
    using raw = new Database(path)
    expect(raw.query('PRAGMA user_version').values()).toEqual([[77]])
  })
})

describe('a database', () => {
  test('that another process holds for too long is a failure that says so, and works afterwards', () => {
    const database = new StoreDatabase(path, { busyTimeoutMs: 20 })
    {
      using other = new Database(path)
      other.run('BEGIN IMMEDIATE')
      for (const work of [
        () => database.change('DELETE FROM events'),
        () => database.atomically(() => 1),
        () => new StoreDatabase(path, { busyTimeoutMs: 20 }).atomically(() => 1),
      ]) {
        const failure = failureOf(work)
        expect(failure.code).toBe('store_failed')
        expect(failure.message).toContain('locked by another process')
      }
      expect(database.all('SELECT * FROM events')).toEqual([])
      other.run('ROLLBACK')
    }
    expect(database.change('DELETE FROM events')).toBe(0)
    database.close()
  })

  test('does all of a piece of work or nothing of it, and goes on after one that failed', () => {
    const database = new StoreDatabase(path)
    const add = (id: number): number =>
      database.change(`INSERT INTO dead_letters (id, url, body, attempts, error, failedAt) VALUES (?, '', '', 1, '', '')`, id)
    const count = (): unknown => database.one('SELECT count(*) AS count FROM dead_letters')?.['count']
    expect(() =>
      database.atomically(() => {
        add(1)
        throw new RangeError('in the middle')
      }),
    ).toThrow(RangeError)
    expect(failureOf(() => database.atomically(() => [add(2), add(2)])).code).toBe('already_exists')
    expect(count()).toBe(0)
    database.atomically(() => [add(3), add(4)])
    expect(count()).toBe(2)
    database.close()
  })

  test('refuses a value of the wrong type', () => {
    const database = new StoreDatabase(path)
    const failure = failureOf(() => database.change(`INSERT INTO replies VALUES ('k', 'h', 'no number', NULL, 't', 0)`))
    expect(failure.code).toBe('store_failed')
    expect(failure.message).toContain(path)
    database.close()
  })

  test('has no room left when SQLite says so', () => {
    const database = new StoreDatabase(path)
    // A limit of this connection, with which SQLite itself finds the file full.
    database.one('PRAGMA max_page_count = 20')
    const add = (): number =>
      database.change(`INSERT INTO dead_letters (url, body, attempts, error, failedAt) VALUES ('', ?, 1, '', '')`, 'x'.repeat(100_000))
    const failure = failureOf(() => database.atomically(add))
    expect(failure.code).toBe('disk_full')
    expect(failure.message).toContain(path)
    expect(database.one('SELECT count(*) AS count FROM dead_letters')).toEqual({ count: 0 })
    database.one('PRAGMA max_page_count = 2000')
    expect(database.atomically(add)).toBe(1)
    database.close()
  })
})
