import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { AppError } from '../../../contract/errors.ts'
import type { Permissions } from '../../../contract/permissions.ts'
import { isErrno } from '../../../lib/errno.ts'
import { ignore } from '../../../lib/ignore.ts'
import type { ResourceLimits, SandboxUsage } from '../../driver.ts'
import type { GroupVerbs } from '../../shared/sandbox-keeper.ts'
import type { CgroupFinder } from '../cgroup-finder.ts'
import { type CgroupRoots, releaseCrashed, RunCgroup } from '../cgroup.ts'
import { readUsage } from './usage.ts'
import { setLimits } from './limits.ts'

/** Where the groups of a sandbox are: not where we would make them now, because we may have been started elsewhere since. */
export interface SavedGroups {
  readonly roots: CgroupRoots
  readonly name: string
}

/** How long killed processes may take until their groups are empty, in ms, and how often that is looked at. */
const RELEASE_LIMIT_MS = 7_000
const RELEASE_PAUSE_MS = 3

/** The control groups of the sandboxes of one data folder. Their names tell whose they are. */
export class SandboxGroups implements GroupVerbs {
  readonly #finder: CgroupFinder
  readonly #prefix: string

  constructor(finder: CgroupFinder, dataDir: string) {
    this.#finder = finder
    // Others may keep sandboxes in another data folder, and groups in the same place.
    this.#prefix = `keep.${new Bun.CryptoHasher('sha256').update(dataDir).digest('hex').slice(0, 8)}.`
  }

  /** The groups that a sandbox would get now; undefined when there is no place for any. */
  plan(id: string): SavedGroups | undefined {
    const roots = this.#finder.roots()
    return roots === undefined ? undefined : { roots, name: this.#prefix + id }
  }

  /** Undefined where we may make none; then limits hold for each process. */
  create({ roots, name }: SavedGroups, permissions: Permissions): RunCgroup | undefined {
    try {
      return RunCgroup.create(roots, name, permissions, 'stays')
    } catch (error) {
      if (!isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'EBUSY', 'ENOENT')) throw error
      return undefined
    }
  }

  readonly release = async (id: string, groups: readonly unknown[]): Promise<void> => {
    const roots = [...(groups as readonly SavedGroups[]), this.plan(id)].filter((saved) => saved !== undefined).map((saved) => saved.roots)
    const deadline = performance.now() + RELEASE_LIMIT_MS
    while (!roots.map((root) => releaseCrashed(root, this.#prefix + id)).every(Boolean)) {
      if (performance.now() > deadline) {
        throw new AppError('sandbox_start_failed', `processes of sandbox ${id} do not end, although they were killed`, {
          fix: 'They may wait for a disk or a network file system; try again later.',
        })
      }
      await Bun.sleep(RELEASE_PAUSE_MS)
    }
  }

  readonly ids = (): string[] => {
    const roots = this.#finder.roots()
    const folders = new Set([roots?.memory, roots?.pids, roots?.cpu, roots?.cpuacct].filter((folder) => folder !== undefined))
    return [...new Set([...folders].flatMap((folder) => namesIn(folder)))]
      .filter((name) => name.startsWith(this.#prefix))
      .map((name) => name.slice(this.#prefix.length))
  }

  readonly usage = (groups: unknown): SandboxUsage => (groups === undefined ? {} : readUsage(fileReader(groups as SavedGroups)))

  readonly resize = (groups: unknown, limits: ResourceLimits): void => {
    if (groups === undefined) {
      throw new AppError('not_available_yet', 'this system lets us make no control group, so limits are set when a sandbox starts', {
        fix: 'Stop it, resize it, and start it again.',
      })
    }
    const saved = groups as SavedGroups
    setLimits(saved.roots, fileReader(saved), (root, file, value) => writeFileSync(`${root}/${saved.name}/${file}`, value), limits)
  }
}

/** A file of a group; undefined where this kernel, or this sandbox, has none. */
export type GroupReader = (controller: 'memory' | 'pids' | 'cpu' | 'cpuacct', file: string) => string | undefined

function fileReader({ roots, name }: SavedGroups): GroupReader {
  return (controller, file) => {
    const root = roots[controller]
    if (root === undefined) return undefined
    try {
      return readFileSync(`${root}/${name}/${file}`, 'utf8')
    } catch (error) {
      ignore(error, 'not every kernel has every file')
      return undefined
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    ignore(error, 'no group was ever made here')
    return []
  }
}
