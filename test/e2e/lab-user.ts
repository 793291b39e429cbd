import type { NetworkLab } from '../support/lab/network-lab.ts'
import { SandboxUser } from './cli-kit.ts'
import type { Ended, SpawnOptions } from './kit.ts'

/** A user whose machine is the near side of the network lab. */
export class LabUser extends SandboxUser {
  readonly #lab: NetworkLab

  constructor(lab: NetworkLab, name = 'home') {
    super(name, { fresh: true })
    this.#lab = lab
  }

  /** Runs in the lab: its network, its names, its authorities. */
  override async spawn(command: readonly string[], options: SpawnOptions = {}): Promise<Ended> {
    const { cwd = this.project } = options
    // The other side changes the mount namespace, and with it the folder.
    return super.spawn([...this.#lab.near, 'sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', cwd, ...command], options)
  }
}
