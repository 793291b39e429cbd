import { closeSync, fstatSync, writeSync } from 'node:fs'
import { AppError, isAppError } from '../../contract/errors.ts'
import type { AuditEvent, AuditSink } from '../../contract/events.ts'
import { withFlock } from '../../lib/flock.ts'
import { ignore } from '../../lib/ignore.ts'
import { redactData } from '../../lib/redact.ts'
import { EMPTY_HEAD, headPathOf, openOwned, readHead, writeHead } from './audit-files.ts'
import { boundStrings } from './bound-strings.ts'
import { encodeRecord, GENESIS } from './record-chain.ts'
import { findWritePosition } from './recover.ts'

export interface AuditLogOptions {
  /** The log file, such as `…/audit.jsonl`; its head is kept beside it as `audit.head`. Both are made when missing. */
  readonly path: string
  /** Name of the user, written into each record. */
  readonly user: string
  readonly pid: number
  readonly now: () => Date
  /** Exact values that must not be written, such as those of the vault; asked for at each append. */
  readonly secrets: () => readonly string[]
}

/** How long one append waits for other writers, in ms. Each holds the lock for a fraction of a millisecond. */
const LOCK_LIMIT_MS = 5_000

/** Fields that the log writes itself. An event that brought one would not compile below. */
type NoReservedField = { readonly type: string } & { readonly [field in 'timestamp' | 'pid' | 'user' | 'prev' | 'hash']?: never }

/**
 * The audit log as a place to write to. Any number of processes may append to one log.
 *
 * Each record is hashed over the one before; the last hash and the number of records are kept in the head file as well. So a record
 * that is changed, removed, inserted or moved shows in `verifyAudit`, and so does a log that lost its end. What it does not show:
 * somebody with the rights of the log's owner who rewrites log and head together. Keep copies of the head elsewhere against that.
 *
 * `append` redacts secrets, cuts very long texts, and resolves when the record is handed to the kernel (not synced to the disk).
 * Errors: `audit_write_failed`; then nothing was written, or a torn line, which the next append seals.
 */
export function createAuditLog(options: AuditLogOptions): Required<AuditSink> & { readonly path: string } {
  let queue: Promise<void> = Promise.resolve()
  const append = async (event: AuditEvent) => {
    try {
      await appendRecord(options, event)
    } catch (error) {
      if (isAppError(error)) throw error
      const reason = error instanceof Error ? error.message : String(error)
      throw new AppError('audit_write_failed', `cannot write to the audit log ${options.path}: ${reason}`, { cause: error })
    }
  }
  return {
    path: options.path,
    rehearse() {
      // Code that has run once runs faster: mostly the expressions that find secrets, which are compiled at their first use.
      const fields = boundStrings(redactData({ type: 'rehearsal', command: ['a', '--b=c'], exit_code: 0 }, []))
      encodeRecord({ timestamp: options.now().toISOString(), ...fields }, GENESIS)
    },
    append(event) {
      // One at a time, so that records of this process keep their order and do not contend for the lock with each other.
      const result = queue.then(() => append(event))
      queue = result.catch((error: unknown) => ignore(error, 'whoever appended it is told; the next one has its turn'))
      return result
    },
  }
}

async function appendRecord(options: AuditLogOptions, event: AuditEvent): Promise<void> {
  const { type, ...rest } = event satisfies NoReservedField
  const fields = { type, ...boundStrings(redactData(rest, options.secrets())) }
  const log = openOwned(options.path, true)
  try {
    await withFlock(log, 'exclusive', LOCK_LIMIT_MS, () => writeRecord(log, options, fields))
  } finally {
    closeSync(log)
  }
}

/** The caller holds the lock. The line goes first and the head second: see `docs/audit.md` for a kill between the two. */
async function writeRecord(log: number, options: AuditLogOptions, fields: Readonly<Record<string, unknown>>): Promise<void> {
  const head = openOwned(headPathOf(options.path), false)
  try {
    const size = fstatSync(log).size
    const before = readHead(head)
    const position = await findWritePosition(log, size, before)
    // A log that has records must have a head, so the first head is written before the first record.
    if (before === 'missing' && position.seal?.reason !== 'head_missing') writeHead(head, EMPTY_HEAD)
    const common = { timestamp: options.now().toISOString(), pid: options.pid, user: options.user }
    let { count, hash } = position
    let text = position.midLine ? '\n' : ''
    for (const record of position.seal === undefined ? [fields] : [{ type: 'log_sealed', ...position.seal }, fields]) {
      const encoded = encodeRecord({ ...common, ...record }, hash)
      text += encoded.line
      hash = encoded.hash
      count++
    }
    const bytes = Buffer.from(text)
    const written = writeSync(log, bytes)
    if (written < bytes.length) throw new RangeError(`only ${written} of ${bytes.length} bytes could be written`)
    writeHead(head, { count, hash, size: size + bytes.length })
  } finally {
    closeSync(head)
  }
}
