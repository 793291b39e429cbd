import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { ignore } from '../../lib/ignore.ts'
import { decodeIndex, encodeIndex } from './scan-codec.ts'
import type { FlatIndex, IndexKey } from './scan-codec.ts'
import type { FolderNode } from './scan-index.ts'

/** A cache of this size would stand for some million folders. */
const MAX_BYTES = 256 * 1024 * 1024
/** Projects remembered at a time; the least recently changed go first. */
const MAX_FILES = 200

/**
 * Reads what the last scan remembered. A file that is missing, damaged, made for another project or other rules, or not
 * ours alone is no cache: undefined. The file holds names and times, never content.
 */
export function readScanCache(file: string, key: IndexKey): FlatIndex | undefined {
  let fd: number
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    ignore(error, 'the first scan of a project has no cache')
    return undefined
  }
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile() || stat.uid !== process.geteuid?.() || (stat.mode & 0o077) !== 0 || stat.size > MAX_BYTES) return undefined
    return decodeIndex(readFileSync(fd), key)
  } catch (error) {
    ignore(error, 'an unreadable cache is rebuilt')
    return undefined
  } finally {
    closeSync(fd)
  }
}

/** Writes the cache in one step, readable by its owner only. Failure costs time in the next run and nothing else. */
export function writeScanCache(file: string, key: IndexKey, root: FolderNode): void {
  const draft = `${file}.${process.pid}-${Math.random().toString(36).slice(2)}`
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    writeFileSync(draft, encodeIndex(root, key), { mode: 0o600, flag: 'wx' })
    renameSync(draft, file)
  } catch (error) {
    ignore(error, 'a full disk or a read-only home must not stop a run')
    removeQuietly(draft)
  }
}

function removeQuietly(file: string): void {
  try {
    rmSync(file, { force: true })
  } catch (error) {
    ignore(error, 'it was never made, or a later run prunes it')
  }
}

/** Removes the oldest caches beyond a fixed number, and drafts that a crash left. `file` names one that stays. */
export function pruneScanCaches(file: string): void {
  const folder = dirname(file)
  try {
    const names = readdirSync(folder).filter((name) => name !== basename(file))
    if (names.length < MAX_FILES) return
    const aged = names.map((name) => ({ path: join(folder, name), mtimeMs: statSync(join(folder, name)).mtimeMs }))
    const oldest = aged.toSorted((a, b) => a.mtimeMs - b.mtimeMs).slice(0, names.length - MAX_FILES + 1)
    for (const { path } of oldest) removeQuietly(path)
  } catch (error) {
    ignore(error, 'another run prunes at the same time')
  }
}
