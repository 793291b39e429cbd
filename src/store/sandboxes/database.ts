import { Database, type Statement } from 'bun:sqlite'
import { chmodSync, closeSync, lstatSync, mkdirSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { AppError, isAppError } from '../../contract/errors.ts'
import { isErrno } from '../../lib/errno.ts'
import { ignore } from '../../lib/ignore.ts'
import { type Cell, decode, type Shape } from './columns.ts'
import { checkVersion, migrate, MIGRATIONS } from './migrations.ts'
import { damaged, isBusy, storeError } from './sqlite-errors.ts'

type FoundRow = Readonly<Record<string, unknown>>

/** Others hold the lock for less than a ms; longer than this, in ms, means that one was suspended in the middle. */
const BUSY_TIMEOUT_MS = 5_000
/** Pause between two attempts at what SQLite does not wait for by itself, in ms. */
const BUSY_PAUSE_MS = 5
/** What the log may keep of the disk after it was copied into the database. */
const KEPT_LOG_BYTES = 8 * 1024 ** 2

/**
 * A SQLite file that only this user can read, made and brought up to date when need be. Whatever fails is an `AppError`: `disk_full`,
 * or `store_failed`. Statements are prepared once; the texts of all of them are in the code, so their number is bounded.
 */
export class StoreDatabase {
  readonly #path: string
  readonly #statements = new Map<string, Statement<FoundRow, Cell[]>>()
  #database: Database | undefined

  /** `migrations`: of the tables that the file is for. */
  constructor(path: string, options: { readonly busyTimeoutMs?: number; readonly migrations?: readonly string[] } = {}) {
    this.#path = path
    this.#guarded(() => {
      makePrivate(path)
      this.#database = new Database(path, { readwrite: true, strict: true })
      try {
        prepare(this.#database, path, options.busyTimeoutMs ?? BUSY_TIMEOUT_MS, options.migrations ?? MIGRATIONS)
      } catch (error) {
        this.close()
        throw error
      }
    })
  }

  one(sql: string, ...values: readonly Cell[]): FoundRow | undefined {
    return this.#guarded(() => this.#statement(sql).get(...values) ?? undefined)
  }

  all(sql: string, ...values: readonly Cell[]): FoundRow[] {
    return this.#guarded(() => this.#statement(sql).all(...values))
  }

  /** Answers how many rows it changed. */
  change(sql: string, ...values: readonly Cell[]): number {
    return this.#guarded(() => this.#statement(sql).run(...values).changes)
  }

  /** What a row that was found holds. */
  read<T>(shape: Shape<T>, row: FoundRow): T {
    try {
      return decode(shape, row)
    } catch (error) {
      throw isAppError(error, 'store_failed') ? damaged(this.#path, error.message, error) : error
    }
  }

  /** Does all of `work` or nothing of it. The lock is taken at once, so that what `work` reads stays true until it is done. */
  atomically<T>(work: () => T): T {
    return this.#guarded(() => {
      this.#statement('BEGIN IMMEDIATE').run()
      try {
        const result = work()
        this.#statement('COMMIT').run()
        return result
      } catch (error) {
        this.#rollBack()
        throw error
      }
    })
  }

  close(): void {
    const database = this.#database
    this.#database = undefined
    for (const statement of this.#statements.values()) statement.finalize()
    this.#statements.clear()
    database?.close()
  }

  #rollBack(): void {
    try {
      // A full disk makes SQLite roll back by itself.
      if (this.#database?.inTransaction === true) this.#database.run('ROLLBACK')
    } catch (error) {
      ignore(error, 'what failed before it is what counts; a transaction that cannot be ended makes the next one fail')
    }
  }

  #statement(sql: string): Statement<FoundRow, Cell[]> {
    const known = this.#statements.get(sql)
    if (known !== undefined) return known
    const made = this.#open().prepare<FoundRow, Cell[]>(sql)
    this.#statements.set(sql, made)
    return made
  }

  #open(): Database {
    if (this.#database !== undefined) return this.#database
    throw new AppError('store_failed', `the database "${this.#path}" is closed`, { fix: 'Try again.' })
  }

  #guarded<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw storeError(error, this.#path)
    }
  }
}

function prepare(database: Database, path: string, busyTimeoutMs: number, migrations: readonly string[]): void {
  database.run(`PRAGMA busy_timeout = ${busyTimeoutMs}`)
  // A file can come from anywhere: functions in its tables do nothing, and sizes inside it are checked.
  database.run('PRAGMA trusted_schema = OFF')
  database.run('PRAGMA cell_size_check = ON')
  database.run('PRAGMA foreign_keys = ON')
  checkVersion(database, path, migrations.length)
  useLog(database, busyTimeoutMs)
  // With the log, NORMAL survives every crash of ours, and of the machine all but the last moments.
  database.run('PRAGMA synchronous = NORMAL')
  database.run(`PRAGMA journal_size_limit = ${KEPT_LOG_BYTES}`)
  migrate(database, migrations)
}

/**
 * Switches to the write-ahead log. Two processes that do it to a new file at the same moment each hold what the other needs, so SQLite
 * tells one at once that it is busy instead of waiting; what it does then is over in a few ms.
 */
function useLog(database: Database, limitMs: number): void {
  const deadline = performance.now() + limitMs
  for (;;) {
    try {
      database.run('PRAGMA journal_mode = WAL')
      return
    } catch (error) {
      if (!isBusy(error) || performance.now() >= deadline) throw error
    }
    Bun.sleepSync(BUSY_PAUSE_MS)
  }
}

/**
 * Makes the file where there is none, and takes it from the eyes of others. A file that is there is never opened here: closing it
 * again would drop the locks that another connection of this process holds on it.
 */
function makePrivate(path: string): void {
  const folder = dirname(path)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if ((statSync(folder).mode & 0o022) !== 0) {
    throw new AppError('store_failed', `the folder "${folder}" of the database can be changed by other users`, {
      fix: `Run \`chmod 700 ${folder}\`.`,
    })
  }
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error
  }
  if (!lstatSync(path).isFile()) {
    throw new AppError('store_failed', `the database "${path}" is not a file`, { fix: 'Move what is there away.' })
  }
  // SQLite gives the log and its index the mode that the database has when it makes them.
  for (const each of [path, `${path}-wal`, `${path}-shm`]) {
    const stats = lstatSync(each, { throwIfNoEntry: false })
    if (stats?.isFile() === true && (stats.mode & 0o077) !== 0) chmodSync(each, 0o600)
  }
}
