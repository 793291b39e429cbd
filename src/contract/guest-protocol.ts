/**
 * The guest protocol's numbers and shapes; `docs/guest-protocol.md` is the specification. All numbers little-endian.
 *
 *     offset  size
 *          0     4   length of the payload, 0 … MAX_PAYLOAD_BYTES
 *          4     4   stream; 0 is the connection itself
 *          8     1   type
 *          9     …   payload
 */
export const PROTOCOL_VERSION = 1
export const FRAME_HEADER_BYTES = 9
/** Largest payload of any frame; only OPEN uses all of it. */
export const MAX_PAYLOAD_BYTES = 2_097_152
/** Largest JSON of every frame but OPEN. */
export const MAX_JSON_BYTES = 65_536
/** Largest content of one DATA frame, without its channel. */
export const MAX_DATA_BYTES = 65_536
/** Credit of each direction of a new stream, in bytes. DATA uses it, and so do EVENTs of the one who serves. */
export const INITIAL_CREDIT_BYTES = 262_144
/** What a receiver has passed on is given back at the latest when it is this much, in bytes. */
export const CREDIT_BATCH_BYTES = 131_072
/** Most outstanding credit, in bytes. */
export const MAX_CREDIT_BYTES = 16_777_216
/** Streams open at once in a connection. */
export const MAX_STREAMS = 256
/** The same for the egress connection. */
export const MAX_FLOWS = 4_096

export const FRAME = {
  hello: 1,
  ping: 2,
  pong: 3,
  open: 4,
  data: 5,
  eof: 6,
  credit: 7,
  event: 8,
  end: 9,
  error: 10,
  cancel: 11,
  bye: 12,
} as const
export type FrameType = (typeof FRAME)[keyof typeof FRAME]

/** Channel to the one who serves an operation: stdin, an upload. */
export const CHANNEL_IN = 0
/** Stdout, a download. */
export const CHANNEL_OUT = 1
export const CHANNEL_ERR = 2
export type Channel = typeof CHANNEL_IN | typeof CHANNEL_OUT | typeof CHANNEL_ERR

export const FEATURES = ['exec', 'log', 'files', 'watch', 'tar', 'connect', 'stats', 'shutdown', 'exec_network'] as const
/** Of the egress connection. */
export const EGRESS_FEATURES = ['egress'] as const
export type Feature = (typeof FEATURES)[number]

export interface Hello {
  readonly protocol: number
  readonly role: 'client' | 'daemon' | 'gateway' | 'shim' | 'agent'
  readonly version: string
  readonly features: readonly string[]
}

/** A command to start. `env` is complete: nothing else reaches the command. */
export interface ExecOpen {
  readonly op: 'exec'
  readonly id: string
  readonly argv: readonly string[]
  readonly env: readonly string[]
  readonly cwd: string
  readonly tty?: { readonly cols: number; readonly rows: number }
  readonly stdin?: boolean
  readonly detach?: boolean
  readonly timeout_ms?: number
  readonly user?: 'root'
  /** A network of its own: its flows bear the command's id. */
  readonly network?: true
}
/** A client that comes to a command that exists. Offsets default to 0. */
export interface AttachOpen {
  readonly op: 'attach'
  readonly id: string
  readonly stdout?: number
  readonly stderr?: number
  readonly stdin?: boolean
  readonly follow?: boolean
}

/** How a command ended. `lost`: the agent is gone. */
export interface ExecEnded {
  readonly ended: 'exited' | 'signaled' | 'timed_out' | 'canceled' | 'lost'
  /** Exit status, with `exited`. */
  readonly status?: number
  /** Number of the signal, with `signaled`. */
  readonly signal?: number
  readonly duration_ms: number
  /** Largest resident set of one process of it, in bytes. */
  readonly max_rss?: number
}
/** What is kept of a channel: bytes from `start` to `end`, counted from the start of the command. */
export interface LogRange {
  readonly start: number
  readonly end: number
}
/** One command as the shim knows it. */
export interface GuestExec {
  readonly id: string
  readonly argv: readonly string[]
  readonly pid: number
  readonly tty: boolean
  readonly detach: boolean
  readonly started_at_ms: number
  readonly running: boolean
  readonly result?: ExecEnded
  readonly stdout: LogRange
  readonly stderr: LogRange
}

/** One name in the sandbox's file system. */
export interface GuestEntry {
  readonly name: string
  readonly path: string
  readonly type: 'file' | 'dir' | 'symlink' | 'other'
  readonly size: number
  /** Low twelve bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtime_ms: number
  /** Of a symlink. */
  readonly target?: string
}
export interface GuestProcess {
  readonly pid: number
  readonly ppid: number
  readonly argv: readonly string[]
  readonly state: string
  /** Bytes. */
  readonly rss: number
  readonly cpu_ms: number
}
/** `overflow`: more changed than could be told; what is below `path` must be looked at anew. */
export interface WatchChange {
  readonly kind: 'created' | 'modified' | 'removed' | 'moved' | 'overflow'
  readonly path: string
}

export const GUEST_ERROR_CODES = [
  'protocol_error',
  'protocol_version',
  'too_many_streams',
  'unknown_op',
  'invalid',
  'not_found',
  'exists',
  'denied',
  'path_forbidden',
  'not_a_directory',
  'is_a_directory',
  'not_empty',
  'no_space',
  'command_not_found',
  'command_not_executable',
  'workdir_not_found',
  'unsupported',
  'refused',
  'agent_lost',
  'io',
] as const
export type GuestErrorCode = (typeof GUEST_ERROR_CODES)[number]
