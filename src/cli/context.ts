import type { DaemonOperations } from '../contract/daemon.ts'
import type { Operations } from '../contract/operations.ts'
import type { SandboxOperations } from '../contract/sandbox-operations.ts'

/** A stream for text. */
export interface OutputStream {
  /**
   * Writes all of `text` before it returns, so that output and exit code cannot overtake each other. Throws the
   * system's error (`EPIPE`, `EBADF`, `ENOSPC`) when that is impossible; the door decides what it means.
   */
  readonly write: (text: string) => void
  readonly isTTY: boolean
  /** Width of the terminal in characters; undefined when it is not one. */
  readonly columns?: number
}

/** Everything the command line door is given; it reads nothing else of the process. */
export interface CliContext {
  /** Makes the engine when a command needs it, and not before. */
  readonly operations: () => Promise<Operations>
  /** Sandboxes that stay, through the daemon, which is started when there is none. Errors: `daemon_unreachable`. */
  readonly sandboxes: () => Promise<SandboxOperations>
  /** The daemon's own life. */
  readonly daemon: () => Promise<DaemonOperations>
  /** The caller's environment. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Directory the user stands in, absolute; undefined when it no longer exists. */
  readonly cwd: string | undefined
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  readonly stdin: { readonly isTTY: boolean }
  /** `0.20.0`. */
  readonly version: string
}

/** The caller's variable, or undefined; safe for names such as `__proto__`. */
export function variable(env: CliContext['env'], name: string): string | undefined {
  return Object.hasOwn(env, name) ? env[name] : undefined
}
