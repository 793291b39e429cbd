import { lstatSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { forFs } from './byte-path.ts'
import type { BytePath } from './byte-path.ts'

/** What tells that a file or folder is the one that was looked at, unchanged. Times as the kernel gives them, in ms. */
export interface Stamp {
  readonly dev: number
  readonly ino: number
  readonly mtimeMs: number
  readonly ctimeMs: number
  readonly size: number
}

/** Equal to no real stamp: look again. */
export const STALE: Stamp = { dev: -1, ino: -1, mtimeMs: 0, ctimeMs: 0, size: 0 }

/**
 * `hide`: for its name or its kind. `link`: a symlink with a telling name, followed anew by each scan. The others are
 * what the content said: nothing secret, hide, show other content.
 */
export const FILE_STATES = ['hide', 'link', 'clean', 'secret', 'replace'] as const
export type FileState = (typeof FILE_STATES)[number]

export interface WatchedFile {
  readonly name: BytePath
  state: FileState
  stamp: Stamp
}

/** Instead of a count: we may not look into the folder. */
export const UNREADABLE = -1

/** One folder of the project: what the next scan needs so as not to read it again. */
export interface FolderNode {
  readonly name: BytePath
  stamp: Stamp
  /** True when it was compared with the stamp already; known to one scan only. */
  current: boolean
  /** How many names it holds, or `UNREADABLE`. */
  entries: number
  files: WatchedFile[]
  folders: FolderNode[]
}

export function newFolder(name: BytePath): FolderNode {
  return { name, stamp: STALE, current: false, entries: 0, files: [], folders: [] }
}

/** The stamp of what is at `path` now, symlinks not followed; undefined when it is gone. */
export function lstat(path: BytePath): Stats | undefined {
  try {
    return lstatSync(forFs(path), { throwIfNoEntry: false })
  } catch (error) {
    // A parent that is no folder any more is a file that is gone.
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined
    throw error
  }
}

export function sameStamp(a: Stamp, b: Stamp): boolean {
  return a.ino === b.ino && a.ctimeMs === b.ctimeMs && a.mtimeMs === b.mtimeMs && a.size === b.size && a.dev === b.dev
}

/** How long after a change a second one may leave the same times behind, on the coarsest file system in use. */
const TIME_GRAIN_MS = 2_000

/**
 * What to remember of something read at `scanMs`: nothing when it changed so shortly before that another change could
 * look the same. The change time decides, since nobody can set it back.
 */
export function lastingStamp(seen: Stamp, scanMs: number): Stamp {
  if (seen.ctimeMs > scanMs - TIME_GRAIN_MS) return STALE
  return { dev: seen.dev, ino: seen.ino, mtimeMs: seen.mtimeMs, ctimeMs: seen.ctimeMs, size: seen.size }
}
