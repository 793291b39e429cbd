import { Database } from 'bun:sqlite'
import { expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqliteStore } from '../../src/store/sandboxes/sqlite.ts'
import { inFolder, replyOf, type TestClock } from './store-kit.ts'
import { runStoreSuite } from './store-suite.ts'

runStoreSuite('in a SQLite file', () => {
  // Made only when a case opens it.
  let folder: string | undefined
  const open = (clock: TestClock) => {
    folder ??= mkdtempSync(join(tmpdir(), 'agentkernel-store-'))
    return openSqliteStore(join(folder, 'data', 'sandboxes.db'), clock.now)
  }
  return { open, reopen: open, remove: () => folder !== undefined && rmSync(folder, { recursive: true, force: true }) }
})

test('the newest hundred thousand replies are kept in a SQLite file', async () => {
  await inFolder((folder) => {
    const path = join(folder, 'sandboxes.db')
    const store = openSqliteStore(path, () => new Date(0))
    for (const key of ['k0', 'k1', 'k2']) store.keepReply(key, replyOf())
    {
      // As if all those between had come and gone: keeping so many takes longer than a test should.
      using raw = new Database(path)
      raw.run(`UPDATE replies SET rowid = 100000 WHERE key = 'k2'`)
    }
    store.keepReply('k100000', replyOf())
    expect(['k0', 'k1', 'k2', 'k100000'].map((key) => store.reply(key) !== undefined)).toEqual([false, true, true, true])
    store.close()
  })
})
