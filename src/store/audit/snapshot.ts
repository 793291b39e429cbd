import { closeSync, fstatSync } from 'node:fs'
import { AppError } from '../../contract/errors.ts'
import { withFlock } from '../../lib/flock.ts'
import { headPathOf, openForReading, readHead, type AuditHead } from './audit-files.ts'

/** A log at one moment between two appends. Since logs only grow, its first `size` bytes can be read without a lock. */
export interface AuditSnapshot {
  /** The open log; undefined when there is none. */
  readonly fd: number | undefined
  readonly size: number
  readonly head: AuditHead | 'missing' | 'invalid'
}

const LOCK_LIMIT_MS = 5_000

/** Hands a snapshot of the log at `path` to `work` and answers what it answers. Errors: `audit_read_failed`. */
export async function withSnapshot<T>(path: string, work: (snapshot: AuditSnapshot) => T | Promise<T>): Promise<T> {
  // The head first: a log that is made after this look must not seem to be missing beside its own head.
  const head = headOf(path)
  const fd = readable(path, () => openForReading(path))
  try {
    return await work(fd === undefined ? { fd, size: 0, head } : await take(path, fd))
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

async function take(path: string, fd: number): Promise<AuditSnapshot> {
  try {
    return await withFlock(fd, 'shared', LOCK_LIMIT_MS, () => ({ fd, size: sizeOf(path, fd), head: headOf(path) }))
  } catch (error) {
    throw unreadable(path, error)
  }
}

function sizeOf(path: string, fd: number): number {
  const stat = fstatSync(fd)
  if (!stat.isFile()) throw new AppError('audit_read_failed', `cannot read ${path}: it is not a regular file`)
  return stat.size
}

function headOf(path: string): AuditHead | 'missing' | 'invalid' {
  const headPath = headPathOf(path)
  return readable(headPath, () => {
    const fd = openForReading(headPath)
    if (fd === undefined) return 'missing'
    try {
      return readHead(fd)
    } finally {
      closeSync(fd)
    }
  })
}

function readable<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw unreadable(path, error)
  }
}

function unreadable(path: string, error: unknown): AppError {
  if (error instanceof AppError) return error
  return new AppError('audit_read_failed', `cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
  })
}
