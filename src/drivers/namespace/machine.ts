import { existsSync, readFileSync } from 'node:fs'
import { AppError } from '../../contract/errors.ts'
import { CgroupFinder } from './cgroup-finder.ts'
import { ownsSandboxIds } from './identity.ts'
import { stageFolder } from './launch-prologue.ts'
import { tunFinding } from './network.ts'

export interface NamespaceDriverOptions {
  /** Where run folders are made, below `runs/`; must be on a file system that can hold an overlay's upper layer. */
  readonly dataDir: string
  /** The launch helper, `agentkernel-guest`. The one that is process 1 where there is a network lies beside it: see `initStep`. */
  readonly helperPath: string
  /** The user's home: its tool folders are shown. */
  readonly home: string
  readonly uid: number
  readonly arch: 'x64' | 'arm64'
  /** Where bubblewrap is looked for, in order. */
  readonly bwrapPaths: readonly string[]
}

/** What this machine lets us do, looked up once and on first use. */
export class Machine {
  readonly cgroups: CgroupFinder
  readonly #options: NamespaceDriverOptions
  #ownsIds: boolean | undefined
  #egress: 'enforced' | 'proxy' | undefined

  constructor(options: NamespaceDriverOptions) {
    this.#options = options
    this.cgroups = new CgroupFinder(options)
  }

  /** True when sandboxes get host identities of their own. */
  asRoot(): boolean {
    this.#ownsIds ??= ownsSandboxIds(this.#options.uid, readFileSync('/proc/self/uid_map', 'utf8'))
    return this.#ownsIds
  }

  /** What a sandbox with a network gets here. */
  egress(): 'enforced' | 'proxy' {
    this.#egress ??= tunFinding().status === 'ok' ? 'enforced' : 'proxy'
    return this.#egress
  }

  /** To be called before a helper is started: see `CgroupFinder.beforeLaunch`. */
  beforeLaunch(): void {
    if (!this.asRoot()) this.cgroups.beforeLaunch()
  }

  /** A folder to build a root over that shows none of `also` or of ours. Errors: `sandbox_start_failed`. */
  stage(also: readonly string[]): string {
    const { dataDir, helperPath, home } = this.#options
    const stage = stageFolder([dataDir, helperPath, home, ...also])
    if (stage === undefined) throw new AppError('sandbox_start_failed', 'no folder is free to build a sandbox in')
    return stage
  }

  /** Path of bubblewrap. Errors: `backend_unavailable`. */
  requireBubblewrap(): string {
    const bwrapPath = this.#options.bwrapPaths.find((path) => existsSync(path))
    if (bwrapPath === undefined) {
      throw new AppError('backend_unavailable', 'bubblewrap is not installed', {
        fix: 'Install it, for example with `sudo apt-get install bubblewrap`.',
      })
    }
    return bwrapPath
  }
}
