import type { Database } from 'bun:sqlite'
import { AppError } from '../../contract/errors.ts'
import { damaged } from './sqlite-errors.ts'

/** Marks a database as ours, in the header of the file: "agkn". */
const APPLICATION_ID = 0x61_67_6b_6e

/**
 * Every change of the tables, oldest first; a database of version N has had the first N. One that was released is never edited.
 * Columns bear the names of the fields they hold.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE sandboxes (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    failure TEXT,
    backend TEXT NOT NULL,
    spec TEXT NOT NULL,
    handle TEXT,
    step TEXT,
    labels TEXT NOT NULL CHECK (json_valid(labels)),
    description TEXT,
    agent TEXT,
    project TEXT,
    ports TEXT NOT NULL CHECK (json_valid(ports)),
    environment TEXT NOT NULL CHECK (json_valid(environment)),
    lifecycle TEXT CHECK (json_valid(lifecycle)),
    createdAt TEXT NOT NULL,
    expiresAt TEXT,
    lastActivityAt TEXT NOT NULL,
    startedAt TEXT,
    archivedAt TEXT,
    archivedReason TEXT
  ) STRICT;

  -- keptMs: by the store's own clock, in ms since 1970.
  CREATE TABLE replies (
    key TEXT NOT NULL PRIMARY KEY,
    requestHash TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT,
    createdAt TEXT NOT NULL,
    keptMs INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX replies_by_age ON replies (keptMs);

  -- The next number is one more than the largest, and the newest row is never deleted; so no number is used again.
  CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    event TEXT NOT NULL,
    timestamp TEXT NOT NULL,
    sandbox TEXT NOT NULL,
    labels TEXT NOT NULL,
    metadata TEXT NOT NULL
  ) STRICT;

  CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY,
    url TEXT NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    error TEXT NOT NULL,
    failedAt TEXT NOT NULL
  ) STRICT;
  `,
]

/** Errors: `store_failed` for a database of a newer version of ours, or of another program. Changes nothing. */
export function checkVersion(database: Database, path: string, newest: number = MIGRATIONS.length): void {
  // One transaction: another process may be making the tables at this moment, and is seen before or after.
  const { version, owner, tables } = database.transaction(() => ({
    version: numberOf(database, 'PRAGMA user_version'),
    owner: numberOf(database, 'PRAGMA application_id'),
    tables: numberOf(database, 'SELECT count(*) FROM sqlite_schema'),
  }))()
  if (version > newest) {
    throw new AppError(
      'store_failed',
      `the database "${path}" has version ${version}, made by a newer agentkernel; this one knows versions up to ${newest}`,
      { fix: 'Use the newer agentkernel.' },
    )
  }
  if (owner !== APPLICATION_ID && (tables > 0 || version !== 0)) throw damaged(path, 'it belongs to another program')
}

/**
 * Brings the tables up to date, each step whole or not at all. Safe when several processes do it at once: each step is looked at again
 * once the lock is held.
 */
export function migrate(database: Database, migrations: readonly string[] = MIGRATIONS): void {
  for (let version = versionOf(database); version < migrations.length; version = versionOf(database)) {
    database
      .transaction(() => {
        const current = versionOf(database)
        const step = migrations[current]
        if (step === undefined) return
        database.run(step)
        database.run(`PRAGMA application_id = ${APPLICATION_ID}`)
        database.run(`PRAGMA user_version = ${current + 1}`)
      })
      .immediate()
  }
}

function versionOf(database: Database): number {
  return numberOf(database, 'PRAGMA user_version')
}

function numberOf(database: Database, sql: string): number {
  return Number(database.query(sql).values()[0]?.[0])
}
