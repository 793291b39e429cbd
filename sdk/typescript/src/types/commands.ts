import type { ExecEnded } from '../exec-socket.ts'
import type { RequestOptions, StreamOptions } from '../transport.ts'
import type { SecurityProfile } from './sandboxes.ts'

/** Options of `run`, `runStream` and of each command that gets a sandbox of its own. */
export interface RunOptions extends RequestOptions {
  /** @default the server's: detected, or `host` where that is the backend's own */
  image?: string
  /** @default moderate */
  profile?: SecurityProfile
  /** Take a sandbox that is ready, where there is one. Changes nothing else. @default true */
  fast?: boolean
  /** Which way to isolate, such as `namespace`. */
  backend?: string
  /** Variables of the command, `KEY=value`. */
  env?: string[]
  workdir?: string
  vcpus?: number
  memory_mb?: number
  /** How far it may reach; false is `none`, true is `public`. @default `allow`, the configuration and the profile decide */
  network?: boolean | 'none' | 'listed' | 'public' | 'learn'
  /** Network rules; without `network` they are all that is allowed. */
  allow?: string[]
  /** Network rules that win over `allow`. */
  block?: string[]
  /** Host directory whose project is shown; none without it. Needs an API key. */
  cwd?: string
  /** How the project of `cwd` is shown. */
  workspace?: 'none' | 'copy' | 'mount'
  /** Host path of a config file. Needs an API key. */
  config_path?: string
  /** Limit of the command, in ms. The request has its own, `timeout`. */
  timeout_ms?: number
}

/** Options of a command in a sandbox. */
export interface ExecOptions extends RequestOptions {
  /** `KEY=value`. */
  env?: string[]
  workdir?: string
  /** As root; the server must allow it. */
  sudo?: boolean
  /** Limit of the command, in ms. The request has its own, `timeout`. */
  timeout_ms?: number
  /** Network rules of this command alone, in place of the sandbox's. */
  allow?: string[]
  /** Network rules that block for this command alone, besides the sandbox's. */
  block?: string[]
  /** No network for this command. */
  network?: 'none'
}

/** What a command wrote, and how it ended. Everything but `output` is missing from older servers. */
export interface RunOutput {
  /** stdout followed by stderr; at most 16 MiB. */
  output: string
  stdout?: string
  stderr?: string
  exit_code?: number
  ended?: ExecEnded
  duration_ms?: number
  exec_id?: string
  /** Number of the signal that ended it, from `run`. */
  signal?: number
  /** Of `run`. */
  image?: string
  /** True when `output` holds only the beginning; `output_url` has all of it. */
  truncated?: boolean
  output_url?: string
  /** What the caller should know, such as fields that the server does not have. */
  warnings?: string[]
}

export type StreamEventType = 'started' | 'progress' | 'output' | 'done' | 'error'
/** One event of `runStream`, as the server sent it. */
export interface StreamEvent {
  type: StreamEventType
  data: Record<string, unknown>
}

export interface BatchCommand extends Omit<RunOptions, keyof RequestOptions> {
  command: string[]
}
export interface BatchResult {
  output: string | null
  error: string | null
  exit_code?: number
}
/** In the order of the commands. */
export interface BatchRunResponse {
  results: BatchResult[]
}

export type DetachedStatus = 'running' | 'completed' | 'failed'
/** A command that goes on without anybody waiting for it. */
export interface DetachedCommand {
  id: string
  sandbox: string
  command: string[]
  pid: number
  status: DetachedStatus
  exit_code: number | null
  /** RFC 3339, UTC. */
  started_at: string
}
export interface DetachedLogsResponse {
  stdout?: string
  stderr?: string
}

export interface DetachedOutputOptions extends StreamOptions {
  /** @default stdout */
  stream?: 'stdout' | 'stderr'
  /** First byte, counted from the start of the command. @default 0 */
  offset?: number
  /** Go on until the command has ended. @default false */
  follow?: boolean
}

export interface ExecStreamOptions extends StreamOptions {
  /** `KEY=value`. */
  env?: string[]
  workdir?: string
  sudo?: boolean
  /** Limit of the command, in ms. */
  timeout_ms?: number
  /** A terminal of this size; there is no stderr then. Needs a WebSocket. */
  tty?: { cols: number; rows: number }
}

/** Bytes of a channel, or a gap: what came before `offset` was dropped from the log before it was read. */
export type ExecChunk = { channel: 'stdout' | 'stderr'; bytes: Uint8Array } | { channel: 'stdout' | 'stderr'; gap: true; offset: number }

/** How a command ended. */
export interface ExecEnd {
  /** What a shell would report: the status, 128 + number of the signal, 124 after the time limit. */
  exit_code: number
  ended: ExecEnded
  /** Number of the signal, with `signaled`. */
  signal?: number
  duration_ms: number
}

/** One event of `execStream`. The first is `started`, the last `done`. */
export type ExecStreamEvent =
  /** `pid`: inside the sandbox, where the server says. `warnings`: such as fields that the server does not have. */
  | { type: 'started'; id: string; pid?: number; warnings?: string[] }
  /** `data` is the text of `bytes`; a character that is cut in two comes whole with the later event. */
  | { type: 'output'; stream: 'stdout' | 'stderr'; data: string; bytes: Uint8Array }
  /** Output before `offset` was dropped from the log before it was read. */
  | { type: 'gap'; stream: 'stdout' | 'stderr'; offset: number }
  | ({ type: 'done' } & ExecEnd)

export interface AttachOptions extends StreamOptions {
  /** Where to begin in each log, in bytes. @default 0 */
  stdout?: number
  stderr?: number
  /** Take part in its stdin. @default false */
  stdin?: boolean
  /** Limit of the opening, in ms; 0 = none. */
  timeout?: number
}

export interface OpenExecOptions extends ExecStreamOptions {
  /** The command reads what `write` sends; without it, its stdin is empty. @default true */
  stdin?: boolean
  /** Limit of the opening, in ms; 0 = none. */
  timeout?: number
}
