import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../contract/errors.ts'
import type { RunIo } from '../../contract/run.ts'
import type { Driver, DriverFacts, RunOutcome, RunSpec } from '../driver.ts'
import { isErrno } from '../../lib/errno.ts'
import { CgroupFinder } from './cgroup-finder.ts'
import { releaseCrashed, RunCgroup } from './cgroup.ts'
import { identityFor } from './identity.ts'
import { launchPlan } from './launch-plan.ts'
import { launch } from './launch.ts'
import { outcomeOf } from './outcome.ts'
import { abandonedRuns, countChanges, createRunFolder, removeRunFolder, type RunFolder } from './run-folder.ts'
import { seccompProgram } from './seccomp-program.ts'

export interface NamespaceDriverOptions {
  /** Where run folders are made, below `runs/`; must be on a file system that can hold an overlay's upper layer. */
  readonly dataDir: string
  /** The launch helper, `agentkernel-guest`. */
  readonly helperPath: string
  /** The user's home: its tool folders are shown. */
  readonly home: string
  readonly uid: number
  readonly arch: 'x64' | 'arm64'
  /** Where bubblewrap is looked for, in order. */
  readonly bwrapPaths: readonly string[]
}

/** Changed files beyond this number are reported as this number. */
const MOST_CHANGES = 10_000

/** Sandboxes made of Linux namespaces: no daemon, no root, no image needed. */
export class NamespaceDriver implements Driver {
  readonly name = 'namespace'
  readonly #options: NamespaceDriverOptions
  readonly #cgroups = new CgroupFinder()

  constructor(options: NamespaceDriverOptions) {
    this.#options = options
  }

  get facts(): DriverFacts {
    return { isolation: 'container', egress: 'none', limits: this.#cgroups.writable() ? 'enforced' : 'best-effort', hostRoot: true }
  }

  async probe(signal: AbortSignal) {
    const { probeNamespaces } = await import('./probe.ts')
    return probeNamespaces({ options: this.#options, driver: this, cgroups: this.#cgroups.roots(), signal })
  }

  readonly runOnce = async (spec: RunSpec, io: RunIo, signal: AbortSignal): Promise<RunOutcome> => {
    if (spec.image !== 'host') throw new AppError('not_available_yet', `the image "${spec.image}" cannot be used yet; only "host" can`)
    const bwrapPath = this.#requirePrograms()
    const identity = identityFor(spec.id, this.#options.uid)
    const seccomp = await seccompProgram(spec.permissions.seccomp, this.#options.arch)
    const folder = this.#createFolder(spec.id, identity.dropTo)
    try {
      const { group, notice } = this.#createGroup(folder, spec)
      try {
        const plan = launchPlan({
          spec,
          io,
          folder,
          cgroup: group,
          identity,
          home: this.#options.home,
          helperPath: this.#options.helperPath,
          bwrapPath,
          seccomp,
          overlay: true,
        })
        const run = await this.#launchOrCopy(plan, spec, io, signal)
        const outcome = outcomeOf(run.lines, run.stopReason, spec, group?.usage())
        const changedFiles = spec.workspace?.mode === 'copy' ? countChanges(join(folder.path, 'upper'), MOST_CHANGES) - run.ours : undefined
        return {
          ...outcome,
          notices: [...outcome.notices, ...notice, ...run.notices],
          ...(changedFiles === undefined ? {} : { changedFiles: Math.max(0, changedFiles) }),
        }
      } finally {
        group?.release()
      }
    } finally {
      removeRunFolder(folder.path)
    }
  }

  /** Launches; where the kernel refuses the overlay before anything ran, launches once more with a copy. */
  async #launchOrCopy(plan: ReturnType<typeof launchPlan>, spec: RunSpec, io: RunIo, signal: AbortSignal) {
    const run = await launch(plan, this.#options.helperPath, spec, io, signal)
    return { ...run, ours: (spec.workspace?.hidden.length ?? 0) + (spec.workspace?.replaced.length ?? 0), notices: [] as string[] }
  }

  async recover(signal: AbortSignal): Promise<number> {
    const runsDir = join(this.#options.dataDir, 'runs')
    const names = abandonedRuns(runsDir)
    for (const name of names) {
      signal.throwIfAborted()
      const roots = this.#cgroups.roots()
      if (roots !== undefined) releaseCrashed(roots, name)
      removeRunFolder(join(runsDir, name))
    }
    return names.length
  }

  #requirePrograms(): string {
    const bwrapPath = this.#options.bwrapPaths.find((path) => existsSync(path))
    if (bwrapPath === undefined) {
      throw new AppError('backend_unavailable', 'bubblewrap is not installed', {
        fix: 'Install it, for example with `sudo apt-get install bubblewrap`.',
      })
    }
    return bwrapPath
  }

  #createFolder(id: string, owner: { readonly uid: number; readonly gid: number } | undefined): RunFolder {
    const runsDir = join(this.#options.dataDir, 'runs')
    try {
      return createRunFolder(runsDir, id, owner)
    } catch (error) {
      if (isErrno(error, 'ENOSPC', 'EDQUOT')) throw new AppError('disk_full', `no space left in ${runsDir}`, { cause: error })
      throw new AppError(
        'sandbox_start_failed',
        `cannot make a folder in ${runsDir}: ${error instanceof Error ? error.message : String(error)}`,
        {
          cause: error,
          fix: 'Make the folder writable, or point XDG_DATA_HOME to one that is.',
        },
      )
    }
  }

  #createGroup(folder: RunFolder, spec: RunSpec): { group: RunCgroup | undefined; notice: string[] } {
    const roots = this.#cgroups.roots()
    if (roots === undefined) return { group: undefined, notice: [] }
    try {
      return { group: RunCgroup.create(roots, folder.name, spec.permissions), notice: [] }
    } catch (error) {
      if (!isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'EBUSY', 'ENOENT')) throw error
      return { group: undefined, notice: [] }
    }
  }
}
