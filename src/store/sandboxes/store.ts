import type { Lifecycle, SandboxState } from '../../contract/sandboxes.ts'

/**
 * What must survive a crash of ours: sandboxes, events, replies to repeated requests, webhooks. One process writes at a time; while one
 * daemon takes over from another both may. Each method may fail with `store_failed`, and each that writes with `disk_full`; then
 * nothing of it was done. Text that is not well-formed Unicode is kept with U+FFFD in the place of what is not.
 */
export interface SandboxStore {
  /** Adds a sandbox. Errors: `already_exists` when the name is taken, `store_failed`. */
  insert(record: SandboxRecord): void
  /**
   * Changes fields of a sandbox, all or none. With `when`, only if its state is among those.
   * Answers the record as it is then; undefined when there is none, or its state is another.
   * Errors: `already_exists` when the new name is taken, `store_failed`.
   */
  update(id: string, change: Partial<Omit<SandboxRecord, 'id'>>, when?: readonly SandboxState[]): SandboxRecord | undefined
  byName(name: string): SandboxRecord | undefined
  byId(id: string): SandboxRecord | undefined
  /** Ordered by name. With `labels`, those that have all of them; with `project`, those made from this host path. */
  list(filter?: { readonly labels?: Readonly<Record<string, string>>; readonly project?: string }): SandboxRecord[]
  /** False when there was none. */
  delete(id: string): boolean

  /** The reply kept for an idempotency key; undefined when it was never used or is older than a day. */
  reply(key: string): KeptReply | undefined
  /**
   * Keeps a reply; the newest 100,000 are. A reply with a `body` takes the place of one without to the same request, in one step, so
   * that no crash comes between. Errors: `already_exists` when the key is in use otherwise.
   */
  keepReply(key: string, reply: KeptReply): void
  dropReply(key: string): void
  /** Frees the keys of requests that were still at work when the process that worked on them ended. Answers how many. */
  dropUnfinishedReplies(): number

  /** Adds an event and gives it the next number, from 1, never used again. The newest 10,000 are kept. */
  appendEvent(event: Omit<StoredEvent, 'seq'>): StoredEvent
  /** Events after number `seq`, oldest first, at most `limit`. What has been dropped is missing at the beginning. */
  eventsAfter(seq: number, limit: number): StoredEvent[]
  /** 0 when there was none yet. */
  lastEventSeq(): number

  /** A webhook delivery that was given up. The newest 1,000 are kept. */
  addDeadLetter(letter: Omit<DeadLetter, 'id'>): DeadLetter
  /** Newest first, at most `limit`. */
  deadLetters(limit: number): DeadLetter[]

  /** Lets go of everything; safe to repeat. Whatever is asked afterwards fails with `store_failed`. */
  close(): void
}

/** A sandbox as it is kept. Times are RFC 3339, UTC. */
export interface SandboxRecord {
  /** UUIDv7. */
  readonly id: string
  readonly name: string
  readonly state: SandboxState
  /** Why `state` is `failed`, one sentence. */
  readonly failure: string | null
  readonly backend: string
  /** JSON of the driver's SandboxSpec. */
  readonly spec: string
  /** JSON of the driver's SandboxHandle; null before the first step. */
  readonly handle: string | null
  /** Name of the last step of the current transition that finished. */
  readonly step: string | null
  readonly labels: Readonly<Record<string, string>>
  readonly description: string | null
  /** Key of the coding agent it is meant for. */
  readonly agent: string | null
  /** Host path of the project it was made from. */
  readonly project: string | null
  readonly ports: readonly string[]
  /** Environment of every command, from config. */
  readonly environment: Readonly<Record<string, string>>
  readonly lifecycle: Lifecycle | null
  readonly createdAt: string
  /** Null = never. */
  readonly expiresAt: string | null
  readonly lastActivityAt: string
  readonly startedAt: string | null
  readonly archivedAt: string | null
  readonly archivedReason: string | null
}

export interface KeptReply {
  /** Hex SHA-256 of the request; another request with the same key is a mistake. */
  readonly requestHash: string
  readonly status: number
  /** JSON; null while the first request is still at work. */
  readonly body: string | null
  readonly createdAt: string
}

export interface StoredEvent {
  readonly seq: number
  /** `sandbox.created`. */
  readonly event: string
  readonly timestamp: string
  readonly sandbox: string
  readonly labels: Readonly<Record<string, string>>
  readonly metadata: Readonly<Record<string, unknown>>
}

export interface DeadLetter {
  readonly id: number
  readonly url: string
  /** The event, JSON. */
  readonly body: string
  readonly attempts: number
  readonly error: string
  readonly failedAt: string
}
