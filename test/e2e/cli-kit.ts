import { spawnSync } from 'node:child_process'
import { BINARY, User } from './kit.ts'
import type { Ended, SpawnOptions } from './kit.ts'

/** Limit of a command that may have to start the daemon and a sandbox on a busy machine, in ms. */
export const LONG_MS = 30_000

/** A user of sandboxes that stay. Must be disposed of: sandboxes outlive commands. */
export class SandboxUser extends User {
  /** Runs the program; the first command may start the daemon. */
  async ak(args: readonly string[], options: SpawnOptions = {}): Promise<Ended> {
    return this.agentkernel(args, { ms: LONG_MS, ...options })
  }

  /** Runs the program, which must succeed, and gives its stdout. */
  async out(args: readonly string[], options: SpawnOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.ak(args, options)
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`)
    return stdout
  }

  /** The same with `--json`, parsed. */
  async json(args: readonly string[], options: SpawnOptions = {}): Promise<unknown> {
    return JSON.parse(await this.out([...args, '--json'], options))
  }

  /** Makes the project a git repository on a branch. */
  onBranch(branch: string): void {
    spawnSync('git', ['init', '-q', '-b', branch, this.project], { env: { PATH: this.env['PATH'] ?? '', HOME: this.home } })
  }

  /** Removes every sandbox, ends the daemon, removes the home. */
  async dispose(): Promise<void> {
    await this.ak(['sandbox', 'clean', '--force', '--yes'])
    await this.ak(['daemon', 'stop'])
    this.remove()
  }
}

export { BINARY }
