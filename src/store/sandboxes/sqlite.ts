import { isAppError } from '../../contract/errors.ts'
import type { SandboxState } from '../../contract/sandboxes.ts'
import { hasLabels } from '../../lib/labels.ts'
import { type Cell, encode, EVENT, LETTER, REPLY, type Row, SANDBOX } from './columns.ts'
import { keyInUse, taken } from './conflicts.ts'
import { StoreDatabase } from './database.ts'
import { atMost, MAX_DEAD_LETTERS, MAX_EVENTS, MAX_REPLIES, REPLY_LIFE_MS } from './limits.ts'
import type { DeadLetter, KeptReply, SandboxRecord, SandboxStore, StoredEvent } from './store.ts'

type ListFilter = Parameters<SandboxStore['list']>[0]

/**
 * The store in a SQLite file of its own folder, both made when they are missing and both only for this user. `now` dates replies.
 * Errors: `store_failed` (damaged, of a newer version, not writable; each names the file), `disk_full`.
 */
export function openSqliteStore(path: string, now: () => Date, options: { readonly busyTimeoutMs?: number } = {}): SandboxStore {
  return new SqliteStore(new StoreDatabase(path, options), now)
}

class SqliteStore implements SandboxStore {
  readonly #database: StoreDatabase
  readonly #now: () => Date

  constructor(database: StoreDatabase, now: () => Date) {
    this.#database = database
    this.#now = now
  }

  insert(record: SandboxRecord): void {
    const row = encode(SANDBOX, record)
    naming(record.name, () => this.#database.change(insertion('sandboxes', row), ...Object.values(row)))
  }

  update(id: string, change: Partial<Omit<SandboxRecord, 'id'>>, when?: readonly SandboxState[]): SandboxRecord | undefined {
    const row = encode<SandboxRecord>(SANDBOX, change)
    // `id = ?1` keeps the statement whole when nothing changes: then it only asks whether the record is in one of the states.
    const set = ['id = ?1', ...Object.keys(row).map((column, index) => `${column} = ?${index + 3}`)]
    const states = when === undefined ? null : JSON.stringify(when)
    const found = naming(change.name ?? '', () =>
      this.#database.one(
        `UPDATE sandboxes SET ${set.join(', ')} WHERE id = ?1 AND (?2 IS NULL OR state IN (SELECT value FROM json_each(?2))) RETURNING *`,
        id,
        states,
        ...Object.values(row),
      ),
    )
    return found === undefined ? undefined : this.#database.read(SANDBOX, found)
  }

  byName(name: string): SandboxRecord | undefined {
    const found = this.#database.one('SELECT * FROM sandboxes WHERE name = ?', name)
    return found === undefined ? undefined : this.#database.read(SANDBOX, found)
  }

  byId(id: string): SandboxRecord | undefined {
    const found = this.#database.one('SELECT * FROM sandboxes WHERE id = ?', id)
    return found === undefined ? undefined : this.#database.read(SANDBOX, found)
  }

  list(filter: ListFilter = {}): SandboxRecord[] {
    const { labels, project = null } = filter
    const records = this.#database
      .all('SELECT * FROM sandboxes WHERE ?1 IS NULL OR project = ?1 ORDER BY name', project)
      .map((row) => this.#database.read(SANDBOX, row))
    return labels === undefined ? records : records.filter((record) => hasLabels(record.labels, labels))
  }

  delete(id: string): boolean {
    return this.#database.change('DELETE FROM sandboxes WHERE id = ?', id) > 0
  }

  reply(key: string): KeptReply | undefined {
    const { oldest, newest } = this.#replyTimes()
    const found = this.#database.one('SELECT * FROM replies WHERE key = ? AND keptMs BETWEEN ? AND ?', key, oldest, newest)
    return found === undefined ? undefined : this.#database.read(REPLY, found)
  }

  keepReply(key: string, reply: KeptReply): void {
    const { now, oldest, newest } = this.#replyTimes()
    const row = { key, ...encode(REPLY, reply), keptMs: now }
    this.#database.atomically(() => {
      this.#database.change('DELETE FROM replies WHERE keptMs NOT BETWEEN ? AND ?', oldest, newest)
      const kept = this.#database.change(
        `${insertion('replies', row)} ON CONFLICT (key) DO UPDATE SET status = excluded.status, body = excluded.body,
          createdAt = excluded.createdAt, keptMs = excluded.keptMs
          WHERE replies.body IS NULL AND excluded.body IS NOT NULL AND replies.requestHash = excluded.requestHash`,
        ...Object.values(row),
      )
      if (kept === 0) throw keyInUse()
      this.#database.change('DELETE FROM replies WHERE rowid <= (SELECT max(rowid) FROM replies) - ?', MAX_REPLIES)
    })
  }

  dropReply(key: string): void {
    this.#database.change('DELETE FROM replies WHERE key = ?', key)
  }

  dropUnfinishedReplies(): number {
    return this.#database.change('DELETE FROM replies WHERE body IS NULL')
  }

  appendEvent(event: Omit<StoredEvent, 'seq'>): StoredEvent {
    return this.#database.read(EVENT, this.#append('events', 'seq', encode<StoredEvent>(EVENT, event), MAX_EVENTS))
  }

  eventsAfter(seq: number, limit: number): StoredEvent[] {
    return this.#database
      .all('SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?', seq, atMost(limit, MAX_EVENTS))
      .map((row) => this.#database.read(EVENT, row))
  }

  lastEventSeq(): number {
    return Number(this.#database.one('SELECT max(seq) AS last FROM events')?.['last'] ?? 0)
  }

  addDeadLetter(letter: Omit<DeadLetter, 'id'>): DeadLetter {
    return this.#database.read(LETTER, this.#append('dead_letters', 'id', encode<DeadLetter>(LETTER, letter), MAX_DEAD_LETTERS))
  }

  deadLetters(limit: number): DeadLetter[] {
    return this.#database
      .all('SELECT * FROM dead_letters ORDER BY id DESC LIMIT ?', atMost(limit, MAX_DEAD_LETTERS))
      .map((row) => this.#database.read(LETTER, row))
  }

  close(): void {
    this.#database.close()
  }

  /** Adds a row to a table that numbers its rows, and drops what is older than the newest `most`. */
  #append(table: 'events' | 'dead_letters', number: 'seq' | 'id', row: Row, most: number): Readonly<Record<string, unknown>> {
    return this.#database.atomically(() => {
      const added = this.#database.one(`${insertion(table, row)} RETURNING *`, ...Object.values(row)) ?? {}
      this.#database.change(`DELETE FROM ${table} WHERE ${number} <= ?`, Number(added[number]) - most)
      return added
    })
  }

  /** When a reply must have been kept to count, in ms. One from further ahead than a day is from before the clock was set back. */
  #replyTimes(): { readonly now: number; readonly oldest: number; readonly newest: number } {
    const now = this.#now().getTime()
    return { now, oldest: now - REPLY_LIFE_MS, newest: now + REPLY_LIFE_MS }
  }
}

/** Says which name it is that is taken. */
function naming<T>(name: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (isAppError(error, 'already_exists')) throw taken(name, error)
    throw error
  }
}

function insertion(table: string, row: Readonly<Record<string, Cell>>): string {
  const columns = Object.keys(row)
  return `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`
}
