import { setImmediate } from 'node:timers/promises'
import { toText } from './byte-path.ts'
import type { BytePath } from './byte-path.ts'
import { isKernelFileSystem } from './kernel-file-systems.ts'
import { readFolder } from './read-folder.ts'
import { lastingStamp, lstat, newFolder, sameStamp, STALE, UNREADABLE } from './scan-index.ts'
import type { FolderNode, WatchedFile } from './scan-index.ts'
import { judgeFile } from './watched-file.ts'
import type { ScanPlace } from './watched-file.ts'

export interface WalkLimits {
  /** Names in all folders together. */
  readonly entries: number
  /** Folders below one another. */
  readonly depth: number
  readonly timeMs: number
}

export interface WalkOptions extends ScanPlace {
  /** What the last walk left; brought up to date in place. */
  readonly tree: FolderNode
  readonly now: () => number
  readonly limits: WalkLimits
  readonly signal: AbortSignal | undefined
}

export interface WalkResult {
  readonly hidden: ReadonlySet<BytePath>
  readonly replaced: ReadonlyMap<BytePath, string>
  readonly gitFolders: readonly BytePath[]
  readonly folders: number
  readonly entries: number
  readonly unreadable: number
  /** Files that were read. */
  readonly inspected: number
  /** True when `tree` is not what it was. */
  readonly changed: boolean
  readonly incomplete: string | undefined
}

/** Other work gets its turn at least this often. */
const SLICE_MS = 50

/** Walks the whole project once, reading only what changed. */
export async function walkProject(options: WalkOptions): Promise<WalkResult> {
  const walk = new Walk(options)
  let sliceEnd = options.now() + SLICE_MS
  while (walk.step()) {
    if (options.now() < sliceEnd) continue
    await setImmediate()
    if (options.signal?.aborted) walk.stop('the scan was canceled')
    sliceEnd = options.now() + SLICE_MS
  }
  return walk
}

interface Visit {
  readonly folder: FolderNode
  /** Relative to the project; `''` is the project itself. */
  readonly path: BytePath
  readonly depth: number
  /** The file system of the folder above. */
  readonly parentDev: number | undefined
}

class Walk implements WalkResult {
  readonly hidden = new Set<BytePath>()
  readonly replaced = new Map<BytePath, string>()
  readonly gitFolders: BytePath[] = []
  folders = 0
  entries = 0
  unreadable = 0
  inspected = 0
  changed = false
  incomplete: string | undefined
  readonly #options: WalkOptions
  readonly #startMs: number
  readonly #ahead: Visit[]

  constructor(options: WalkOptions) {
    this.#options = options
    this.#startMs = options.now()
    this.#ahead = [{ folder: options.tree, path: '', depth: 0, parentDev: undefined }]
  }

  /** Looks at one folder; false when none is left or a limit is reached. */
  step(): boolean {
    const visit = this.#ahead.pop()
    if (visit === undefined || this.incomplete !== undefined) return false
    try {
      this.#look(visit)
    } catch (error) {
      this.#fail(visit, error as NodeJS.ErrnoException)
    }
    const { limits, now } = this.#options
    if (this.entries > limits.entries) this.stop(`it holds more than ${limits.entries.toLocaleString('en')} files`)
    else if (visit.depth > limits.depth) this.stop(`its folders are more than ${limits.depth} deep`)
    else if (now() - this.#startMs > limits.timeMs) this.stop(`looking through it took longer than ${limits.timeMs / 1000} seconds`)
    return this.incomplete === undefined
  }

  stop(reason: string): void {
    this.incomplete ??= reason
  }

  #look({ folder, path, depth, parentDev }: Visit): void {
    const absolute = path === '' ? this.#options.root : `${this.#options.root}/${path}`
    const stats = folder.current ? undefined : lstat(absolute)
    if (!folder.current && stats?.isDirectory() !== true) return this.#forget(folder)
    const dev = stats?.dev ?? folder.stamp.dev
    if (dev !== parentDev && parentDev !== undefined && isKernelFileSystem(absolute)) {
      return this.stop(`${quoted(path)} in it is a file system of the kernel`)
    }
    if (stats !== undefined && !sameStamp(folder.stamp, stats)) {
      this.#refresh(folder, absolute, path)
      this.#restamp(folder, lastingStamp(stats, this.#startMs))
    }
    this.#count(folder, path)
    const prefix = path === '' ? '' : `${path}/`
    for (const child of folder.folders) this.#ahead.push({ folder: child, path: prefix + child.name, depth: depth + 1, parentDev: dev })
    for (const file of folder.files) this.#check(file, prefix + file.name)
  }

  #count(folder: FolderNode, path: BytePath): void {
    this.folders++
    if (folder.entries === UNREADABLE) this.unreadable++
    else this.entries += folder.entries
    if (folder.name === '.git' && this.#options.policy.findsGit) this.gitFolders.push(path)
  }

  /** Reads the folder and keeps what is known of the names that stayed. */
  #refresh(folder: FolderNode, absolute: BytePath, path: BytePath): void {
    const content = readFolder(absolute, path, this.#options.policy)
    const known = new Map(folder.folders.map((child) => [child.name, child]))
    const folders = content.folders.map((name) => known.get(name) ?? newFolder(name))
    const files = content.files.map((file) => folder.files.find((old) => old.name === file.name && sameKind(old, file)) ?? file)
    this.changed ||= folder.entries !== content.entries || differs(folders, folder.folders) || differs(files, folder.files)
    Object.assign(folder, { entries: content.entries, folders, files })
  }

  #restamp(item: FolderNode | WatchedFile, stamp: FolderNode['stamp']): void {
    this.changed ||= !sameStamp(item.stamp, stamp)
    item.stamp = stamp
  }

  #check(file: WatchedFile, path: BytePath): void {
    const judged = judgeFile(path, file.state, (stamp) => sameStamp(file.stamp, stamp), this.#options)
    if (judged === undefined) return
    if (judged.verdict === 'secret') this.hidden.add(judged.path)
    else if (judged.verdict !== 'clean') this.replaced.set(judged.path, judged.verdict.content)
    if (judged.stamp === undefined) return
    this.inspected++
    this.changed ||= judged.state !== file.state
    file.state = judged.state
    this.#restamp(file, lastingStamp(judged.stamp, this.#startMs))
  }

  /** The folder went away while we walked; the next walk will find it so in the folder above. */
  #forget(folder: FolderNode): void {
    this.changed ||= folder.entries > 0 || !sameStamp(folder.stamp, STALE)
    Object.assign(folder, { stamp: STALE, entries: 0, files: [], folders: [] })
  }

  #fail({ folder, path }: Visit, error: NodeJS.ErrnoException): void {
    if (error.code === undefined) throw error
    if (error.code === 'ENAMETOOLONG') this.stop(`${quoted(path.slice(0, 80))} in it has too long a path`)
    this.#forget(folder)
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') this.unreadable++
  }
}

function quoted(path: BytePath): string {
  return JSON.stringify(toText(path) ?? path)
}

function sameKind(a: WatchedFile, b: WatchedFile): boolean {
  const rough = (file: WatchedFile): string => (file.state === 'hide' || file.state === 'link' ? file.state : 'content')
  return rough(a) === rough(b)
}

function differs<T extends { readonly name: BytePath }>(a: readonly T[], b: readonly T[]): boolean {
  return a.length !== b.length || a.some((item, index) => item !== b[index])
}
