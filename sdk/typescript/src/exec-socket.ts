/**
 * Messages of the WebSockets `/sandboxes/{name}/exec/ws` and `/sandboxes/{name}/exec/detached/{id}/ws`. Binary messages: one byte
 * for the channel, then content. Text messages: one JSON object each. A copy of the product's own types, which a published package
 * cannot reach; a test compares the two.
 */
export const SOCKET_STDIN = 0
export const SOCKET_STDOUT = 1
export const SOCKET_STDERR = 2

/** Bytes of stdin that may be sent before the first `stdin_credit`. */
export const INITIAL_STDIN_CREDIT = 262_144
/** Most content of one binary message in either direction, in bytes. */
export const MAX_SOCKET_CHUNK_BYTES = 262_144
/** The protocol that the server chooses. It is offered beside the key because some clients want one of their own chosen. */
export const SOCKET_PROTOCOL = 'agentkernel.v1'
/** Begins the offered protocol that carries the API key in base64url, for clients that cannot send headers. */
export const SOCKET_KEY_PROTOCOL = 'agentkernel.bearer.'

export interface ExecMessage {
  type: 'exec'
  command: readonly string[]
  /** `KEY=value`. */
  env?: readonly string[]
  workdir?: string
  tty?: { cols: number; rows: number }
  /** The command reads what is sent; without it, its stdin is empty. */
  stdin?: boolean
  sudo?: boolean
  /** 0 or absent = none. */
  timeout_ms?: number
  allow?: readonly string[]
  block?: readonly string[]
  network?: 'none'
}
/** Comes to a command that exists, from these offsets of its log on. */
export interface AttachMessage {
  type: 'attach'
  stdout?: number
  stderr?: number
  stdin?: boolean
}
export type ClientMessage =
  | ExecMessage
  | AttachMessage
  | { type: 'resize'; cols: number; rows: number }
  | { type: 'signal'; signal: number }
  | { type: 'stdin_eof' }

export type ServerMessage =
  | { type: 'started'; id: string; pid: number }
  | { type: 'stdin_credit'; bytes: number }
  | { type: 'gap'; stream: 'stdout' | 'stderr'; offset: number }
  | { type: 'exit'; exit_code: number; ended: ExecEnded; signal?: number; duration_ms: number }
  | { type: 'error'; code: string; message: string; fix: string }

export type ExecEnded = 'exited' | 'signaled' | 'timed_out' | 'out_of_memory' | 'canceled' | 'lost'
