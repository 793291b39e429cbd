import { lstatSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { ignore } from '../../lib/ignore.ts'
import { forFs } from './byte-path.ts'
import type { BytePath } from './byte-path.ts'
import type { FlatIndex } from './scan-codec.ts'
import { UNREADABLE } from './scan-index.ts'
import type { Stamp } from './scan-index.ts'
import type { WalkResult } from './scan-walk.ts'
import { judgeFile } from './watched-file.ts'
import type { ScanPlace } from './watched-file.ts'

/** Other work gets its turn after so many folders, some 20 ms. */
const SLICE = 8_192

/** The folders that are not as the index remembers them: changed, gone, or changed too shortly before it was made. */
export async function changedFolders(index: FlatIndex, root: BytePath): Promise<Set<number>> {
  const changed = new Set<number>()
  const once = { throwIfNoEntry: false } as const
  for (let folder = 0; folder < index.folders; folder++) {
    try {
      const stats = lstatSync(forFs(folder === 0 ? root : `${root}/${index.folderPath(folder)}`), once)
      if (stats === undefined || !index.isFolderStamp(folder, stats)) changed.add(folder)
    } catch (error) {
      ignore(error, 'the walk meets the same trouble and deals with it')
      changed.add(folder)
    }
    if (folder % SLICE === SLICE - 1) await setImmediate()
  }
  return changed
}

/**
 * What the walk would find when no folder has changed, so that the same names are there. Undefined when a file is not
 * what it was; then the walk has to take over.
 */
export function unchangedResult(index: FlatIndex, place: ScanPlace): WalkResult | undefined {
  const hidden = new Set<BytePath>()
  const replaced = new Map<BytePath, string>()
  for (let file = 0; file < index.files; file++) {
    const state = index.fileState(file)
    if (state === undefined) return undefined
    const isKnown = (stamp: Stamp): boolean => index.isFileStamp(file, stamp)
    const judged = judgeFile(index.filePath(file), state, isKnown, place)
    if (judged === undefined || judged.state !== state || (judged.stamp !== undefined && !isKnown(judged.stamp))) return undefined
    if (judged.verdict === 'secret') hidden.add(judged.path)
    else if (judged.verdict !== 'clean') replaced.set(judged.path, judged.verdict.content)
  }
  return { ...countFolders(index, place.policy.findsGit), hidden, replaced, inspected: 0, changed: false, incomplete: undefined }
}

function countFolders(index: FlatIndex, findsGit: boolean): Pick<WalkResult, 'folders' | 'entries' | 'unreadable' | 'gitFolders'> {
  const gitFolders: BytePath[] = []
  let entries = 0
  let unreadable = 0
  for (let folder = 0; folder < index.folders; folder++) {
    const count = index.entries(folder)
    if (count === UNREADABLE) unreadable++
    else entries += count
    if (findsGit && isGitFolder(index.folderPath(folder))) gitFolders.push(index.folderPath(folder))
  }
  return { folders: index.folders, entries, unreadable, gitFolders }
}

function isGitFolder(path: BytePath): boolean {
  return path === '.git' || path.endsWith('/.git')
}
