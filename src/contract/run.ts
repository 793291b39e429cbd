import type { Secret } from '../lib/secret.ts'
import type { NetworkLevel, ProfileName, WorkspaceMode } from './config.ts'
import type { SecretRequest } from './secrets.ts'
import type { NetworkEvent, NetworkMode, PublishedPort } from './network.ts'

/**
 * Variables of the caller's environment that a door puts into a request. Terminal and locale settings always pass into
 * the sandbox; of the rest, USER passes with `pass_env` only; PATH is used on the host, to find toolchains, and HOME is the sandbox's own.
 */
export const TERMINAL_ENV = ['TERM', 'COLORTERM', 'LANG', 'LC_*', 'TZ', 'NO_COLOR', 'FORCE_COLOR', 'CI'] as const
export const PASS_ENV = ['PATH', 'HOME', 'USER', 'LANG', 'LC_ALL', 'TERM'] as const

/**
 * Less than this and not even a shell starts reliably once the kernel has counted its page tables and pipes; it is also
 * the floor that container tools use, so a number copied from one of them keeps its meaning.
 */
export const MIN_MEMORY_BYTES = 6 * 1024 ** 2

/** Secrets of a sandbox, as the caller wrote them. */
export interface SecretAsk {
  /** Bindings (`docs/secrets.md`) as text, in which a value may stand, or as tables. */
  readonly bindings: readonly (Secret | SecretRequest)[]
  /** Secrets that are files inside. */
  readonly files: readonly (string | SecretRequest)[]
  /** Tokens instead of one placeholder for all: the gateway swaps them wherever the program puts them. */
  readonly placeholders: boolean
  /** False: it came from elsewhere, and names no files, stdin or variables of this machine. */
  readonly isLocal: boolean
  /** What came on stdin, for `KEY=-`. */
  readonly stdin?: Secret
}

/** One command in a sandbox that is gone afterwards. Undefined fields mean "as the configuration says". */
export interface RunRequest {
  /** Program and arguments; never empty, no NUL. */
  readonly command: readonly string[]
  /** Host directory the user stands in, absolute; undefined when it no longer exists. */
  readonly cwd: string | undefined
  /** A config file the user named; its widening keys count. */
  readonly configPath?: string
  readonly profile?: ProfileName
  readonly backend?: string
  readonly image?: string
  /** Variables the user set for the command; they win over everything else. */
  readonly env: Readonly<Record<string, string>>
  /** Values of the caller's `TERMINAL_ENV` and `PASS_ENV` variables. */
  readonly callerEnv: Readonly<Record<string, string>>
  /** Directory inside the sandbox; relative paths start at the project's current directory. */
  readonly workdir?: string
  /** Time limit in ms; undefined = none. */
  readonly timeoutMs?: number
  readonly memoryBytes?: number
  /** Cores, fractions allowed. */
  readonly cpus?: number
  /** Asked for by name; undefined = `allow` decides, or else configuration and profile. */
  readonly network?: NetworkMode
  /** Rules of the caller's own. Without `network` they are all that is allowed. */
  readonly allow?: readonly string[]
  readonly block?: readonly string[]
  /** What may be pushed to git servers over HTTPS, besides what the configuration lets: rules as `--git-push` takes them. */
  readonly gitPush?: readonly string[]
  readonly secrets?: SecretAsk
  /** Hosts of the secrets that are bound (`x.com`, `*.x.com`, optional `:port`, without one 443). With any, no profile implies `public`. */
  readonly secretHosts?: readonly string[]
  /** Ports of the sandbox that the host listens for, besides those of the configuration. */
  readonly publish?: readonly PublishedPort[]
  /** File that gets one `NetworkEvent` a line, absolute. */
  readonly networkLogPath?: string
  readonly workspace?: WorkspaceMode
}

/** A terminal the command owns. The door keeps the user's own terminal and copies bytes between the two. */
export interface TerminalIo {
  readonly cols: number
  readonly rows: number
  readonly onOutput: (bytes: Uint8Array) => void
  /** Called once when the terminal exists. */
  readonly onReady: (terminal: TerminalControl) => void
}
export interface TerminalControl {
  readonly write: (bytes: Uint8Array) => void
  readonly resize: (cols: number, rows: number) => void
}

/**
 * Where a command's bytes go. The three descriptors are open in this process and safe to hand to hostile code: pipes
 * or /dev/null, never a terminal, socket, directory or regular file of the user. With `terminal` they are not used.
 */
export interface RunIo {
  readonly stdin: number
  readonly stdout: number
  readonly stderr: number
  readonly terminal?: TerminalIo
  /** Called when the sandbox runs and its side of the descriptors is no longer needed here. */
  readonly onStarted?: () => void
  /** Called by the driver once with a way to signal the command. */
  readonly onSignalable?: (send: (signal: RunSignal) => void) => void
  /** The command was stopped by job control (Ctrl-Z); call `resume` to let it go on. */
  readonly onStopped?: (resume: () => void) => void
  /** One sentence for the user, on stderr. */
  readonly onNotice: (text: string) => void
  /** What the gateway decides, as it happens. */
  readonly onNetworkEvent?: (event: NetworkEvent) => void
}
export type RunSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGQUIT' | 'SIGUSR1' | 'SIGUSR2' | 'SIGKILL'

/** How a command ended, in fields. `exitCode` is what a shell would report: the status, 128+N, or 124. */
export interface RunResult {
  readonly exitCode: number
  readonly ended: 'exited' | 'signaled' | 'timed_out' | 'out_of_memory' | 'canceled'
  /** Number of the signal that ended the command, with `signaled`. */
  readonly signal?: number
  readonly durationMs: number
  /** Highest memory use seen, where the machine can tell. */
  readonly memoryPeakBytes?: number
  readonly memoryLimitBytes?: number
  readonly backend: string
  readonly profile: ProfileName
  readonly network: NetworkLevel
  /** Published ports with the numbers that the host chose (`8080:80`); absent without any. */
  readonly ports?: readonly string[]
}
