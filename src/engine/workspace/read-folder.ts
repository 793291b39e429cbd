import { readdirSync } from 'node:fs'
import type { Dirent } from 'node:fs'
import { forFs } from './byte-path.ts'
import type { BytePath } from './byte-path.ts'
import { lstat, STALE, UNREADABLE } from './scan-index.ts'
import type { WatchedFile } from './scan-index.ts'
import type { ScanPolicy } from './scan-policy.ts'

/** What a folder holds that a scan cares about. */
export interface FolderContent {
  /** How many names it holds, or `UNREADABLE`. */
  readonly entries: number
  readonly files: readonly WatchedFile[]
  /** Names of the folders to look into, in the order of their bytes. */
  readonly folders: readonly BytePath[]
}

/**
 * Reads one folder. `relative` is its path in the project. Where we may not look, the sandbox, with no more rights than
 * ours, may not either: then the content is empty and marked. Other failures of `readdir` are thrown.
 */
export function readFolder(path: BytePath, relative: BytePath, policy: ScanPolicy): FolderContent {
  let entries: Dirent[]
  try {
    // Node's types know `latin1` only without `withFileTypes`; it gives one character for each byte in both.
    entries = readdirSync(forFs(path), { withFileTypes: true, encoding: 'latin1' as 'utf8' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error
    return { entries: UNREADABLE, files: [], folders: [] }
  }
  let match: ReturnType<ScanPolicy['matcher']> | undefined
  const parent = relative.slice(relative.lastIndexOf('/') + 1)
  const files: WatchedFile[] = []
  const folders: BytePath[] = []
  let names: Set<string> | undefined
  for (const entry of entries) {
    const name = entry.name
    const kind = kindOf(entry, path)
    if (kind === 'folder') {
      names ??= new Set(entries.map((each) => each.name))
      if (!policy.skips(name, parent, names)) folders.push(name)
    } else if (kind === 'special') files.push({ name, state: 'hide', stamp: STALE })
    else if (kind !== 'gone') {
      match ??= policy.matcher(relative)
      const action = match(name)
      if (action === undefined) continue
      // Until its content is looked at, a candidate counts as secret.
      const state = kind === 'link' ? 'link' : action.hide === 'always' ? 'hide' : 'secret'
      files.push({ name, state, stamp: STALE })
    }
  }
  return { entries: entries.length, files: files.toSorted(byName), folders: folders.toSorted() }
}

function kindOf(entry: Dirent, path: BytePath): 'file' | 'folder' | 'link' | 'special' | 'gone' {
  if (entry.isFile()) return 'file'
  if (entry.isDirectory()) return 'folder'
  if (entry.isSymbolicLink()) return 'link'
  // Some file systems do not say the kind in a listing.
  const stats = lstat(`${path}/${entry.name}`)
  if (stats === undefined) return 'gone'
  if (stats.isFile()) return 'file'
  if (stats.isDirectory()) return 'folder'
  return stats.isSymbolicLink() ? 'link' : 'special'
}

function byName(a: WatchedFile, b: WatchedFile): number {
  return a.name < b.name ? -1 : 1
}
