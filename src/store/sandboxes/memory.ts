import { AppError } from '../../contract/errors.ts'
import type { SandboxState } from '../../contract/sandboxes.ts'
import { hasLabels } from '../../lib/labels.ts'
import { decode, encode, EVENT, LETTER, REPLY, type Row, SANDBOX } from './columns.ts'
import { keyInUse, taken } from './conflicts.ts'
import { atMost, MAX_DEAD_LETTERS, MAX_EVENTS, MAX_REPLIES, REPLY_LIFE_MS } from './limits.ts'
import type { DeadLetter, KeptReply, SandboxRecord, SandboxStore, StoredEvent } from './store.ts'

type ListFilter = Parameters<SandboxStore['list']>[0]

/** A store that forgets everything when it is closed. It keeps rows like the one in a file, so what goes in comes out the same. */
export function memoryStore(now: () => Date): SandboxStore {
  return new MemoryStore(now)
}

class MemoryStore implements SandboxStore {
  readonly #now: () => Date
  #tables: Tables | undefined = {
    sandboxes: new Map(),
    replies: new Map(),
    events: { rows: [], last: 0 },
    letters: { rows: [], last: 0 },
  }

  constructor(now: () => Date) {
    this.#now = now
  }

  insert(record: SandboxRecord): void {
    const { sandboxes } = this.#open()
    const row = encode(SANDBOX, record)
    if (sandboxes.has(record.id) || isTaken(sandboxes, row['name'], record.id)) throw taken(record.name)
    sandboxes.set(record.id, row)
  }

  update(id: string, change: Partial<Omit<SandboxRecord, 'id'>>, when?: readonly SandboxState[]): SandboxRecord | undefined {
    const { sandboxes } = this.#open()
    const found = sandboxes.get(id)
    if (found === undefined || (when !== undefined && !when.some((state) => state === found['state']))) return undefined
    const row: Row = { ...found, ...encode<SandboxRecord>(SANDBOX, change), id }
    if (isTaken(sandboxes, row['name'], id)) throw taken(change.name ?? '')
    sandboxes.set(id, row)
    return decode(SANDBOX, row)
  }

  byName(name: string): SandboxRecord | undefined {
    return this.list().find((record) => record.name === name)
  }

  byId(id: string): SandboxRecord | undefined {
    const row = this.#open().sandboxes.get(id)
    return row === undefined ? undefined : decode(SANDBOX, row)
  }

  list(filter: ListFilter = {}): SandboxRecord[] {
    const { labels = {}, project } = filter
    return [...this.#open().sandboxes.values()]
      .map((row) => decode(SANDBOX, row))
      .filter((record) => hasLabels(record.labels, labels) && (project === undefined || record.project === project))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  delete(id: string): boolean {
    return this.#open().sandboxes.delete(id)
  }

  reply(key: string): KeptReply | undefined {
    const row = this.#open().replies.get(key)
    return row === undefined || !this.#counts(row) ? undefined : decode(REPLY, row)
  }

  keepReply(key: string, reply: KeptReply): void {
    const { replies } = this.#open()
    const found = replies.get(key)
    if (found !== undefined && this.#counts(found)) {
      const completes = found['body'] === null && reply.body !== null && found['requestHash'] === reply.requestHash
      if (!completes) throw keyInUse()
    }
    // Anew, so that the oldest are the first: what has expired goes with them.
    replies.delete(key)
    replies.set(key, { ...encode(REPLY, reply), keptMs: this.#now().getTime() })
    const [oldest] = replies.keys()
    if (replies.size > MAX_REPLIES && oldest !== undefined) replies.delete(oldest)
  }

  dropReply(key: string): void {
    this.#open().replies.delete(key)
  }

  dropUnfinishedReplies(): number {
    const { replies } = this.#open()
    const unfinished = [...replies].filter(([, row]) => row['body'] === null)
    for (const [key] of unfinished) replies.delete(key)
    return unfinished.length
  }

  appendEvent(event: Omit<StoredEvent, 'seq'>): StoredEvent {
    const { events } = this.#open()
    return decode(EVENT, append(events, { seq: events.last + 1, ...encode<StoredEvent>(EVENT, event) }, MAX_EVENTS))
  }

  eventsAfter(seq: number, limit: number): StoredEvent[] {
    const later = this.#open().events.rows.filter((row) => Number(row['seq']) > seq)
    return later.slice(0, atMost(limit, MAX_EVENTS)).map((row) => decode(EVENT, row))
  }

  lastEventSeq(): number {
    return this.#open().events.last
  }

  addDeadLetter(letter: Omit<DeadLetter, 'id'>): DeadLetter {
    const { letters } = this.#open()
    return decode(LETTER, append(letters, { id: letters.last + 1, ...encode<DeadLetter>(LETTER, letter) }, MAX_DEAD_LETTERS))
  }

  deadLetters(limit: number): DeadLetter[] {
    const newest = this.#open().letters.rows.toReversed()
    return newest.slice(0, atMost(limit, MAX_DEAD_LETTERS)).map((row) => decode(LETTER, row))
  }

  close(): void {
    this.#tables = undefined
  }

  #counts(row: Row): boolean {
    return Math.abs(this.#now().getTime() - Number(row['keptMs'])) <= REPLY_LIFE_MS
  }

  #open(): Tables {
    if (this.#tables !== undefined) return this.#tables
    throw new AppError('store_failed', 'the store in memory is closed')
  }
}

interface Tables {
  readonly sandboxes: Map<string, Row>
  readonly replies: Map<string, Row>
  readonly events: Numbered
  readonly letters: Numbered
}

/** Rows with numbers that are never used again. */
interface Numbered {
  readonly rows: Row[]
  last: number
}

function append(table: Numbered, row: Row, most: number): Row {
  table.last++
  table.rows.push(row)
  if (table.rows.length > most) table.rows.shift()
  return row
}

function isTaken(sandboxes: ReadonlyMap<string, Row>, name: unknown, exceptId: string): boolean {
  return sandboxes.values().some((row) => row['name'] === name && row['id'] !== exceptId)
}
