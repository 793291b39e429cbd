import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KeptReply, SandboxRecord, SandboxStore, StoredEvent } from '../../src/store/sandboxes/store.ts'
import type { AppError } from '../../src/contract/errors.ts'
import { isAppError } from '../../src/contract/errors.ts'
import { createUuidV7 } from '../../src/lib/uuid-v7.ts'

const DAY_MS = 86_400_000
const nextId = createUuidV7(Date.now)

/** A clock that goes only where a test sends it. */
export class TestClock {
  #ms = Date.parse('2026-03-01T12:00:00.000Z')

  readonly now = (): Date => new Date(this.#ms)

  /** Goes on, or with a negative number back. */
  passDays(days: number): void {
    this.#ms += days * DAY_MS
  }

  passMs(ms: number): void {
    this.#ms += ms
  }
}

/** A sandbox of this name as creating one makes it. */
export function recordOf(name: string, change: Partial<SandboxRecord> = {}): SandboxRecord {
  return {
    id: nextId(),
    name,
    state: 'creating',
    failure: null,
    backend: 'namespace',
    spec: JSON.stringify({ spec: { name, image: 'host' }, commands: [], cwd: '/workspace' }),
    handle: null,
    step: null,
    labels: {},
    description: null,
    agent: null,
    project: null,
    ports: [],
    environment: {},
    lifecycle: null,
    createdAt: '2026-03-01T12:00:00.000Z',
    expiresAt: null,
    lastActivityAt: '2026-03-01T12:00:00.000Z',
    startedAt: null,
    archivedAt: null,
    archivedReason: null,
    ...change,
  }
}

export function eventOf(event: string, change: Partial<StoredEvent> = {}): Omit<StoredEvent, 'seq'> {
  return { event, timestamp: '2026-03-01T12:00:00.000Z', sandbox: 'web', labels: {}, metadata: {}, ...change }
}

export function replyOf(change: Partial<KeptReply> = {}): KeptReply {
  return { requestHash: 'a'.repeat(64), status: 201, body: '{"name":"web"}', createdAt: '2026-03-01T12:00:00.000Z', ...change }
}

/** The expected failure of `work`; throws when it succeeds or fails otherwise. */
export function failureOf(work: () => unknown): AppError {
  let result: unknown
  try {
    result = work()
  } catch (error) {
    if (isAppError(error)) return error
    throw error
  }
  throw new Error(`expected a failure, got ${JSON.stringify(result)}`)
}

/** Every field that a record may leave out. */
export const FULL: Partial<SandboxRecord> = {
  state: 'archived',
  failure: 'the agent did not answer',
  handle: JSON.stringify({ version: 1, pid: 77 }),
  step: 'start.greet-agent',
  labels: { team: 'core', 'a/b.c': 'x=y:z', empty: '' },
  description: 'Ünïcode, "quotes", \\ and\nlines',
  agent: 'claude',
  project: '/home/me/project',
  ports: ['8080:80', '53/udp'],
  environment: { PATH: '/usr/bin', EMPTY: '' },
  lifecycle: { auto_stop_after_seconds: 60, auto_delete_after_seconds: 0 },
  expiresAt: '2026-03-02T12:00:00.000Z',
  startedAt: '2026-03-01T12:00:01.000Z',
  archivedAt: '2026-03-01T13:00:00.000Z',
  archivedReason: 'idle',
}

/** Every method of a store once, for tests that want each to fail, or none to crash. */
export const EVERY_METHOD: Readonly<Record<Exclude<keyof SandboxStore, 'close'>, (store: SandboxStore) => unknown>> = {
  insert: (store) => store.insert(recordOf(`n-${nextId()}`)),
  update: (store) => store.update(nextId(), { state: 'stopped' }, ['running']),
  byName: (store) => store.byName('web'),
  byId: (store) => store.byId(nextId()),
  list: (store) => store.list({ labels: { a: 'b' } }),
  delete: (store) => store.delete(nextId()),
  reply: (store) => store.reply('key'),
  keepReply: (store) => store.keepReply(nextId(), replyOf()),
  dropReply: (store) => store.dropReply('key'),
  dropUnfinishedReplies: (store) => store.dropUnfinishedReplies(),
  appendEvent: (store) => store.appendEvent(eventOf('sandbox.created')),
  eventsAfter: (store) => store.eventsAfter(0, 100),
  lastEventSeq: (store) => store.lastEventSeq(),
  addDeadLetter: (store) => store.addDeadLetter(letterOf('sandbox.created')),
  deadLetters: (store) => store.deadLetters(100),
}

export function letterOf(event: string): Parameters<SandboxStore['addDeadLetter']>[0] {
  return {
    url: 'https://hooks.example/a',
    body: JSON.stringify({ event }),
    attempts: 5,
    error: 'status 500',
    failedAt: '2026-03-01T12:00:00.000Z',
  }
}

/** A folder of the test's own, gone afterwards. */
export async function inFolder<T>(work: (folder: string) => T | Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'agentkernel-store-'))
  try {
    return await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
