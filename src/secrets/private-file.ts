import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { AppError } from '../contract/errors.ts'
import { isErrno } from '../lib/errno.ts'

/**
 * Files that are for one user only. A file or folder that others can read or change, that belongs to somebody else, or that is a
 * symbolic link is refused (`vault_unsafe`), for reading as for writing: what it holds may be known, or may not be what we wrote.
 */

const { O_RDONLY, O_RDWR, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY, O_DIRECTORY } = constants

/** The bytes of `path`; undefined when there is no such file, or no folder. Errors: `vault_unsafe`, `vault_damaged` (larger than `limit`). */
export function readPrivate(path: string, limit: number): Buffer | undefined {
  if (!folderIsPrivate(dirname(path))) return undefined
  let fd: number
  try {
    fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw unsafe(path, isErrno(error, 'ELOOP') ? 'is a symbolic link' : 'cannot be read', error)
  }
  try {
    const stats = fstatSync(fd)
    if (!stats.isFile()) throw unsafe(path, 'is not a file')
    checkOwner(path, stats)
    if (stats.size > limit) throw new AppError('vault_damaged', `"${path}" has ${stats.size} bytes; we write ${limit} at most`)
    return readAll(fd, stats.size)
  } finally {
    closeSync(fd)
  }
}

/** Makes the folder of `path` if there is none, mode 0700. Errors: `vault_unsafe`. */
export function makePrivateFolder(path: string): void {
  if (folderIsPrivate(path)) return
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw unsafe(path, 'cannot be made', error)
  }
  folderIsPrivate(path)
}

/** Readers see the old bytes or the new ones, never a part, also after a crash. The caller holds the lock, so the draft's name is free. */
export function replacePrivate(path: string, bytes: Uint8Array): void {
  const draft = `${path}.new`
  rmSync(draft, { force: true })
  const fd = openSync(draft, 'wx', 0o600)
  try {
    fchmodSync(fd, 0o600)
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
    fsyncSync(fd)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  } finally {
    closeSync(fd)
  }
  renameSync(draft, path)
  syncFolder(dirname(path))
}

/** A descriptor to hold a lock on. The caller closes it. */
export function openLock(path: string): number {
  try {
    return openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
  } catch (error) {
    throw unsafe(path, isErrno(error, 'ELOOP') ? 'is a symbolic link' : 'cannot be opened', error)
  }
}

/** False: there is none. */
function folderIsPrivate(path: string): boolean {
  let stats
  try {
    stats = lstatSync(path)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw unsafe(path, 'cannot be looked at', error)
  }
  if (!stats.isDirectory()) throw unsafe(path, stats.isSymbolicLink() ? 'is a symbolic link' : 'is not a folder')
  checkOwner(path, stats)
  return true
}

function checkOwner(path: string, { uid, mode }: { readonly uid: number; readonly mode: number }): void {
  if (uid !== (process.getuid?.() ?? uid)) throw unsafe(path, `belongs to user ${uid}`)
  if ((mode & 0o077) !== 0) throw unsafe(path, `has mode ${(mode & 0o777).toString(8).padStart(4, '0')}, open to other users`)
}

function readAll(fd: number, size: number): Buffer {
  const buffer = Buffer.alloc(size)
  let length = 0
  for (let got = -1; got !== 0 && length < size; length += got) got = readSync(fd, buffer, length, size - length, null)
  return buffer.subarray(0, length)
}

function syncFolder(path: string): void {
  const fd = openSync(path, O_RDONLY | O_DIRECTORY)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function unsafe(path: string, problem: string, cause?: unknown): AppError {
  return new AppError('vault_unsafe', `"${path}" ${problem}`, cause === undefined ? {} : { cause })
}
