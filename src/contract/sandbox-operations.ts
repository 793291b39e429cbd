import type { GuestEntry, LogRange, WatchChange } from './guest-protocol.ts'
import type {
  CreateRequest,
  DetachedCommand,
  ExecRequest,
  ExecResult,
  LifecycleEvent,
  PatchRequest,
  ReconcileReport,
  SandboxInfo,
  SandboxStats,
} from './sandboxes.ts'
import type { SandboxProxy } from './proxy-hooks.ts'
import type { AuditListing } from './reports.ts'
import type { RunRequest } from './run.ts'

/**
 * What can be done with sandboxes that stay. The daemon implements it with the engine, everybody else with the SDK over the daemon's
 * socket, so that the doors (command line, HTTP) do not know where they are. Inputs and outputs are what goes over the wire.
 *
 * Each may fail with `sandbox_not_found` where it takes a name, `store_failed`, `shutting_down` and, from outside, `daemon_unreachable`.
 */
export interface SandboxOperations {
  /** `key`: the same key again gives the first reply. Errors: `already_exists`, `invalid_argument`, `idempotency_mismatch`, those of starting. */
  create(request: CreateRequest, options: { readonly key?: string; readonly caller: Caller }, signal: AbortSignal): Promise<SandboxInfo>
  list(filter: { readonly labels?: Readonly<Record<string, string>>; readonly project?: string }): Promise<readonly SandboxInfo[]>
  get(name: string): Promise<SandboxInfo>
  getByUuid(uuid: string): Promise<SandboxInfo>
  patch(name: string, change: PatchRequest): Promise<SandboxInfo>
  /** Legal from every state. */
  remove(name: string, signal: AbortSignal): Promise<void>
  /** A sandbox that runs already is a success. Errors: `sandbox_archived`. */
  start(name: string, signal: AbortSignal): Promise<SandboxInfo>
  stop(name: string, signal: AbortSignal): Promise<SandboxInfo>
  /** Adds to the later of now and the present end; `0` takes the end away. */
  extend(name: string, by: string): Promise<{ readonly expires_at: string | null }>
  resize(name: string, limits: { readonly vcpus?: number; readonly memory_mb?: number }, signal: AbortSignal): Promise<SandboxInfo>
  /** Makes an archived or failed sandbox an ordinary stopped one. */
  recover(name: string): Promise<SandboxInfo>
  /** Removes what has expired, or with labels whatever has all of them. */
  gc(
    input: { readonly dry_run: boolean; readonly labels?: Readonly<Record<string, string>> },
    signal: AbortSignal,
  ): Promise<{
    readonly removed: readonly string[]
    readonly count: number
  }>
  reconcile(input: { readonly dry_run: boolean }, signal: AbortSignal): Promise<ReconcileReport>
  /** The sandbox as an `agentkernel.toml`. */
  exportConfig(name: string): Promise<string>
  /** Makes a sandbox from such a text and does not start it. The text may ask for what its caller may ask for, and no more. */
  importConfig(
    input: { readonly config: string; readonly as?: string; readonly backend?: string },
    options: { readonly caller: Caller },
    signal: AbortSignal,
  ): Promise<SandboxInfo>
  logs(name: string): Promise<AuditListing>
  stats(name: string): Promise<SandboxStats>
  /** How it reaches the network. Errors: those of the vault. */
  proxy(name: string): Promise<SandboxProxy>

  /** Runs a command and collects its output. */
  exec(name: string, request: ExecRequest, options: { readonly caller: Caller }, signal: AbortSignal): Promise<ExecResult>
  /** Runs a command with its streams. Aborting `signal` ends the command. */
  execStream(name: string, request: ExecStreamRequest, options: { readonly caller: Caller }, signal: AbortSignal): Promise<ExecSession>
  /** Comes to a command that was started elsewhere. Aborting ends only the visit. */
  attachExec(name: string, id: string, from: AttachFrom, signal: AbortSignal): Promise<ExecSession>
  execDetach(name: string, request: ExecRequest, options: { readonly caller: Caller }, signal: AbortSignal): Promise<DetachedCommand>
  execList(name: string): Promise<readonly DetachedCommand[]>
  /** Errors: `exec_not_found`. */
  execGet(name: string, id: string): Promise<DetachedCommand>
  /**
   * What is kept of a channel, from `offset` (default 0; the log's own `start` where that is later) to the end of the log, or with
   * `follow` until the command has ended. Errors: `exec_not_found`.
   */
  execLogs(
    name: string,
    id: string,
    channel: 'stdout' | 'stderr',
    from?: { readonly offset?: number; readonly follow?: boolean },
    signal?: AbortSignal,
  ): Promise<ExecLog>
  execKill(name: string, id: string): Promise<void>

  /** A file's bytes, or a part of them. Errors: `file_not_found`, `path_forbidden`. */
  readFile(
    name: string,
    path: string,
    range: { readonly offset?: number; readonly length?: number },
    signal: AbortSignal,
  ): Promise<FileStream>
  /** Resolves with the number of bytes written. */
  writeFile(
    name: string,
    path: string,
    bytes: AsyncIterable<Uint8Array>,
    options: { readonly mode?: number },
    signal: AbortSignal,
  ): Promise<number>
  deleteFile(name: string, path: string, options: { readonly recursive?: boolean }): Promise<void>
  statFile(name: string, path: string): Promise<GuestEntry>
  listFiles(name: string, path: string): Promise<readonly GuestEntry[]>
  makeDir(name: string, path: string): Promise<void>
  moveFile(name: string, from: string, to: string): Promise<void>
  watchFiles(name: string, path: string, options: { readonly recursive: boolean }, signal: AbortSignal): AsyncIterable<WatchChange>
  /** A tar stream of a file or folder. */
  tarOut(name: string, path: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>
  tarIn(
    name: string,
    path: string,
    bytes: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<{ readonly files: number; readonly size: number }>

  /** Events after `after` (default: only new ones), until `signal`. */
  events(input: { readonly after?: number; readonly sandbox?: string }, signal: AbortSignal): AsyncIterable<LifecycleEvent>
  /** One command in a sandbox that is gone afterwards. */
  runStream(request: RunRequest, options: { readonly caller: Caller }, signal: AbortSignal): Promise<ExecSession>
}

/** Who asks. A caller without a key over TCP may not name host paths or ask for more than moderate. */
export interface Caller {
  readonly door: 'socket' | 'http'
  /** True over the local socket, and over HTTP with a valid key. */
  readonly authenticated: boolean
  /** W3C trace context that goes into the command's environment. */
  readonly traceparent?: string
  readonly tracestate?: string
}

export interface ExecStreamRequest extends ExecRequest {
  readonly tty?: { readonly cols: number; readonly rows: number }
  /** The command reads what `write` sends; without it, its stdin is empty. */
  readonly stdin?: boolean
}
export interface AttachFrom {
  readonly stdout?: number
  readonly stderr?: number
  readonly stdin?: boolean
}

/** A command with its streams. `output` must be read: what is not taken holds the command up when the log is full. */
export interface ExecSession {
  readonly id: string
  readonly pid: number
  readonly output: AsyncIterable<ExecChunk>
  /** Resolves when more may be written. */
  write(bytes: Uint8Array): Promise<void>
  closeStdin(): void
  signal(number: number): void
  resize(cols: number, rows: number): void
  /** How it ended; settles after `output` has ended. Errors: `sandbox_lost`, `exec_not_found`. */
  readonly result: Promise<ExecEnd>
}
/** `gap`: bytes before `offset` were dropped from the log before they were read. */
export type ExecChunk =
  | { readonly channel: 'stdout' | 'stderr'; readonly bytes: Uint8Array }
  | { readonly channel: 'stdout' | 'stderr'; readonly gap: true; readonly offset: number }
export type ExecEnd = Pick<ExecResult, 'exit_code' | 'ended' | 'duration_ms'> & { readonly signal?: number }

/** `start`: offset of the first byte in `bytes`; `end`: of the log's end when it was asked. */
export interface ExecLog extends LogRange {
  readonly bytes: AsyncIterable<Uint8Array>
}
export interface FileStream {
  readonly entry: GuestEntry
  readonly bytes: AsyncIterable<Uint8Array>
}
