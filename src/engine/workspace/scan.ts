import type { BytePath } from './byte-path.ts'
import { toBytePath, toText } from './byte-path.ts'
import { pruneScanCaches, readScanCache, writeScanCache } from './scan-cache.ts'
import { changedFolders, unchangedResult } from './scan-recheck.ts'
import { newFolder } from './scan-index.ts'
import { copyPolicy, mountPolicy } from './scan-policy.ts'
import { walkProject } from './scan-walk.ts'
import type { WalkLimits, WalkResult } from './scan-walk.ts'

export interface ScanOptions {
  /** `copy` looks for secrets and special files, `mount` for special files only but everywhere. */
  readonly mode: 'copy' | 'mount'
  /** The project, absolute, symlinks resolved. */
  readonly root: string
  /** Where the next scan finds what this one learned; its folder is made when needed. */
  readonly cacheFile: string
  readonly limits?: Partial<WalkLimits>
  /** Ends the scan early with `incomplete`; asked about every 50 ms. */
  readonly signal?: AbortSignal
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** Paths are relative to the root, sorted. */
export interface ScanResult {
  /** Files with secrets, sockets, FIFOs, devices. */
  readonly hidden: readonly string[]
  readonly replaced: readonly { readonly path: string; readonly content: string }[]
  /** With `mount`: every `.git` folder. */
  readonly gitFolders: readonly string[]
  readonly counts: { readonly folders: number; readonly entries: number; readonly unreadable: number }
  /** Why not everything was looked at, a clause such as `it holds more than 5 files`; then nothing may be shown. */
  readonly incomplete?: string
}

/** Deep enough for any real tree; big enough for the largest repositories; a first scan reads some 50,000 names in 0.2 s. */
const LIMITS: WalkLimits = { entries: 2_000_000, depth: 200, timeMs: 10_000 }

/** Below this, and with no file to look into, a scan costs no more than reading its cache would. */
const SMALL = { folders: 8, entries: 500 }

/**
 * Finds everything in the project that a sandbox must not see as it is. Folders that have not changed since the last
 * scan are not read again: one `lstat` each. Symlinks are never entered, dependency folders are left out (`copy`).
 * Writes the cache only when there is something new to remember. Never throws for what it meets in the project.
 */
export async function scanProject(options: ScanOptions): Promise<ScanResult> {
  const policy = options.mode === 'copy' ? copyPolicy() : mountPolicy()
  const key = { root: toBytePath(options.root), rules: policy.fingerprint }
  const place = { root: key.root, policy }
  const cached = readScanCache(options.cacheFile, key)
  const changed = cached === undefined ? undefined : await changedFolders(cached, key.root)
  const same = changed?.size === 0 ? unchangedResult(cached!, place) : undefined
  if (same !== undefined) return resultOf(same)
  const tree = (changed && cached?.toTree(changed)) ?? newFolder('')
  const walk = await walkProject({
    ...place,
    tree,
    now: options.now ?? Date.now,
    limits: { ...LIMITS, ...options.limits },
    signal: options.signal,
  })
  if (walk.changed && (cached !== undefined || isWorthCaching(walk))) {
    writeScanCache(options.cacheFile, key, tree)
    if (cached === undefined) pruneScanCaches(options.cacheFile)
  }
  return resultOf(walk)
}

function isWorthCaching(walk: WalkResult): boolean {
  return walk.folders > SMALL.folders || walk.entries > SMALL.entries || walk.inspected > 0
}

function resultOf(walk: WalkResult): ScanResult {
  const hidden: string[] = []
  let incomplete = walk.incomplete
  const tell = (path: BytePath): string => {
    const text = toText(path)
    if (text === undefined) incomplete ??= 'something in it that must be covered has a name that is not valid UTF-8'
    return text ?? ''
  }
  for (const path of walk.hidden) hidden.push(tell(path))
  const replaced = [...walk.replaced].map(([path, content]) => ({ path: tell(path), content }))
  return {
    hidden: hidden.toSorted(),
    replaced: replaced.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    gitFolders: walk.gitFolders.map(tell).toSorted(),
    counts: { folders: walk.folders, entries: walk.entries, unreadable: walk.unreadable },
    ...(incomplete === undefined ? {} : { incomplete }),
  }
}
