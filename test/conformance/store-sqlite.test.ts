import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqliteStore } from '../../src/store/sandboxes/sqlite.ts'
import type { TestClock } from './store-kit.ts'
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
