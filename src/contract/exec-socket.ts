import type { ExecResult } from './sandboxes.ts'

/**
 * Messages of the WebSockets `/sandboxes/{name}/exec/ws` and `/sandboxes/{name}/exec/detached/{id}/ws`; `docs/http-api.md` has the
 * order of them. A binary message is one byte for the channel, then content. A text message is one JSON object.
 *
 *     client                         server
 *     exec | attach            ──▶
 *                              ◀──   started
 *     0 stdin, resize, …       ──▶
 *                              ◀──   1 stdout, 2 stderr, stdin_credit, gap
 *                              ◀──   exit | error, then the close
 */
export const SOCKET_STDIN = 0
export const SOCKET_STDOUT = 1
export const SOCKET_STDERR = 2

/** Bytes of stdin that may be sent before the first `stdin_credit`. */
export const INITIAL_STDIN_CREDIT = 262_144
/** Most content of one binary message in either direction, in bytes. */
export const MAX_SOCKET_CHUNK_BYTES = 262_144
/** The protocol that the server chooses when it is offered. */
export const SOCKET_PROTOCOL = 'agentkernel.v1'
/** Begins an offered protocol that carries the API key in base64url, for clients that cannot send headers. Never chosen. */
export const SOCKET_KEY_PROTOCOL = 'agentkernel.bearer.'

/** First message to `/exec/ws`: the command to start. Closing the socket before its end ends it. */
export interface ExecMessage {
  readonly type: 'exec'
  readonly command: readonly string[]
  /** `KEY=value`. */
  readonly env?: readonly string[]
  readonly workdir?: string
  readonly tty?: { readonly cols: number; readonly rows: number }
  /** The command reads what is sent; without it, its stdin is empty. */
  readonly stdin?: boolean
  readonly sudo?: boolean
  /** 0 or absent = none. */
  readonly timeout_ms?: number
  /** Network rules of this command alone; see `ExecRequest`. */
  readonly allow?: readonly string[]
  readonly block?: readonly string[]
  readonly network?: 'none'
}
/** First message to `/exec/detached/{id}/ws`. Offsets into the log default to 0. Closing the socket ends only the visit. */
export interface AttachMessage {
  readonly type: 'attach'
  readonly stdout?: number
  readonly stderr?: number
  readonly stdin?: boolean
}
/** What may follow. A signal goes to the command's process group. */
export type ControlMessage =
  | { readonly type: 'resize'; readonly cols: number; readonly rows: number }
  | { readonly type: 'signal'; readonly signal: number }
  | { readonly type: 'stdin_eof' }
export type ClientMessage = ExecMessage | AttachMessage | ControlMessage

export type ServerMessage =
  | { readonly type: 'started'; readonly id: string; readonly pid: number }
  /** That many more bytes of stdin may be sent. */
  | { readonly type: 'stdin_credit'; readonly bytes: number }
  /** Bytes before `offset` are no longer in the log. */
  | { readonly type: 'gap'; readonly stream: 'stdout' | 'stderr'; readonly offset: number }
  | {
      readonly type: 'exit'
      readonly exit_code: number
      readonly ended: ExecResult['ended']
      readonly signal?: number
      readonly duration_ms: number
    }
  | { readonly type: 'error'; readonly code: string; readonly message: string; readonly fix: string }
