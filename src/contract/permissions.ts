import type { NetworkLevel, ProfileName, WorkspaceMode } from './config.ts'
import type { NetworkRules } from './network.ts'

/** What one sandbox may do and use: the outcome of profile, compatibility mode, config and flags. Nothing in it is optional. */
export interface Permissions {
  readonly profile: ProfileName
  /** What the rules come to: `public` holds the rule `public`, `listed` any other, `none` has no rule that allows. */
  readonly network: NetworkLevel
  readonly networkRules: NetworkRules
  readonly workspace: WorkspaceMode
  /** Shows the allowlisted dotfiles of the user's home, read-only. */
  readonly mountHome: boolean
  readonly passEnv: boolean
  readonly readOnlyRoot: boolean
  /** A built-in seccomp profile or the absolute path of a file. */
  readonly seccomp: string
  readonly memoryBytes: number
  /** Cores; undefined = all of them. */
  readonly cpus: number | undefined
  readonly pids: number
  readonly tmpBytes: number
  /** False mounts /tmp noexec. */
  readonly tmpExec: boolean
}
