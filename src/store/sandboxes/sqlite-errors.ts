import { SQLiteError } from 'bun:sqlite'
import { AppError } from '../../contract/errors.ts'
import { isErrno } from '../../lib/errno.ts'

/** What a failure of SQLite or of the file system means to the user. What is neither is a bug and comes back as it is. */
export function storeError(error: unknown, path: string): unknown {
  if (error instanceof SQLiteError) return fromSqlite(error, path)
  if (isErrno(error, 'ENOSPC', 'EDQUOT')) return diskFull(path, error)
  if (error instanceof Error && 'code' in error && 'syscall' in error) {
    return new AppError('store_failed', `the database "${path}" cannot be used: ${error.message}`, { cause: error })
  }
  return error
}

/** True when another connection holds what is needed. */
export function isBusy(error: unknown): boolean {
  return error instanceof SQLiteError && /^SQLITE_(?:BUSY|LOCKED)/.test(error.code ?? '')
}

function fromSqlite(error: SQLiteError, path: string): AppError {
  const code = error.code ?? ''
  // The second: the index of the log is a file too, and is made larger before it is used.
  if (code === 'SQLITE_FULL' || code === 'SQLITE_IOERR_SHMSIZE') return diskFull(path, error)
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') return damaged(path, error.message, error)
  // The caller knows what it was that is there already.
  if (code === 'SQLITE_CONSTRAINT_UNIQUE' || code === 'SQLITE_CONSTRAINT_PRIMARYKEY') {
    return new AppError('already_exists', error.message, { cause: error })
  }
  if (isBusy(error)) {
    return new AppError('store_failed', `the database "${path}" is locked by another process`, {
      cause: error,
      fix: 'Try again; if it stays so, see `agentkernel daemon status` for a second daemon.',
    })
  }
  return new AppError('store_failed', `the database "${path}" failed: ${error.message} (${code || 'no code'})`, { cause: error })
}

export function damaged(path: string, problem: string, cause?: unknown): AppError {
  return new AppError('store_failed', `the database "${path}" is damaged: ${problem}`, {
    ...(cause === undefined ? {} : { cause }),
    fix: `Restore it from a copy, or move it and the files "${path}-wal" and "${path}-shm" away to start anew; its sandboxes are removed then.`,
  })
}

function diskFull(path: string, cause: unknown): AppError {
  return new AppError('disk_full', `no space is left for the database "${path}"`, { cause })
}
