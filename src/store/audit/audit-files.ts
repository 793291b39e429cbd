import { closeSync, constants, fchmodSync, fstatSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { AppError } from '../../contract/errors.ts'
import { GENESIS } from './record-chain.ts'
import { readFully } from './read-lines.ts'

/**
 * What the log should end with, kept apart from it, so that a log that lost its end is told from one that never had it.
 * A file of one line of fixed length, written in place.
 */
export interface AuditHead {
  /** Records in the chain. */
  readonly count: number
  /** Hash of the last one. */
  readonly hash: string
  /** Length of the log with that record as its last, in bytes. */
  readonly size: number
}

/** The head of a log without records. */
export const EMPTY_HEAD: AuditHead = { count: 0, hash: GENESIS, size: 0 }

const HEAD_BYTES = 160

/** Where the head of the log at `path` is kept: `audit.head` beside `audit.jsonl`. */
export function headPathOf(path: string): string {
  const name = path.endsWith('.jsonl') ? path.slice(0, -'.jsonl'.length) : path
  return `${name}.head`
}

/**
 * Opens a file for reading and writing, and makes it, and its folder, when missing; takes other users' rights off it.
 * Errors: `audit_write_failed` when it is a link, no regular file, or somebody else's.
 */
export function openOwned(path: string, append: boolean): number {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK | (append ? constants.O_APPEND : 0)
  const fd = openMakingFolder(path, flags)
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw refusal(path, 'is not a regular file')
    const user = process.geteuid?.()
    if (stat.uid !== user) throw refusal(path, `belongs to another user (uid ${stat.uid}, not ${user})`)
    if ((stat.mode & 0o077) !== 0) fchmodSync(fd, 0o600)
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

function openMakingFolder(path: string, flags: number): number {
  try {
    return openSync(path, flags, 0o600)
  } catch (error) {
    if (codeOf(error) === 'ELOOP') throw refusal(path, 'is a symbolic link', error)
    if (codeOf(error) !== 'ENOENT') throw error
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    return openSync(path, flags, 0o600)
  }
}

function refusal(path: string, what: string, cause?: unknown): AppError {
  const fix = `Move ${path} away and run the command again, or set AGENTKERNEL_AUDIT=0.`
  return new AppError('audit_write_failed', `refusing to write the audit log: ${path} ${what}`, { cause, fix })
}

/** Opens a file for reading; undefined when there is none. */
export function openForReading(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** The head in an open file: `missing` when the file is empty, `invalid` when it holds something else. */
export function readHead(fd: number): AuditHead | 'missing' | 'invalid' {
  const buffer = Buffer.alloc(HEAD_BYTES)
  const size = readFully(fd, buffer, 0)
  return size === 0 ? 'missing' : parseHead(buffer.toString('latin1', 0, size))
}

export function parseHead(text: string): AuditHead | 'invalid' {
  const match = /^\{"count":(\d{1,15}),"hash":"([0-9a-f]{64})","size":(\d{1,15})\}\s*$/.exec(text)
  return match === null ? 'invalid' : { count: Number(match[1]), hash: match[2]!, size: Number(match[3]) }
}

/** One write of always the same length: a process that is killed leaves the old head or the new one. */
export function writeHead(fd: number, head: AuditHead): void {
  const { count, hash, size } = head
  writeSync(fd, `${JSON.stringify({ count, hash, size }).padEnd(HEAD_BYTES - 1)}\n`, 0)
}

/** The code of a failed system call, such as `ENOENT`. */
function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
