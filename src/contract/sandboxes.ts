import type { NetworkLevel, ProfileName, WorkspaceMode } from './config.ts'
import type { NetworkMode, NetworkRules } from './network.ts'
import type { SecretRequest } from './secrets.ts'

/**
 * The states of a sandbox and the ways between them. `removing` is reached from every state, and leads nowhere but away.
 *
 *     creating ──▶ running ◀──▶ stopped ◀──▶ archived
 *         │           │            │
 *         └───────────┴──▶ failed ─┘      (start, recover)
 */
export const SANDBOX_STATES = ['creating', 'running', 'stopped', 'archived', 'failed', 'removing'] as const
export type SandboxState = (typeof SANDBOX_STATES)[number]

/** When a sandbox is stopped, archived and deleted by itself, in seconds without activity (deleted: since archived). */
export interface Lifecycle {
  readonly auto_stop_after_seconds?: number
  readonly auto_archive_after_seconds?: number
  readonly auto_delete_after_seconds?: number
}

/** A sandbox as every door shows it. Nothing empty is in it: absent members mean none. Times are RFC 3339, UTC. */
export interface SandboxInfo {
  readonly name: string
  /** UUIDv7. */
  readonly uuid: string
  readonly status: SandboxState
  /** Why it is `failed`. */
  readonly failure?: string
  readonly backend: string
  readonly isolation: string
  readonly profile: ProfileName
  readonly network: NetworkLevel
  /** The written rules behind `network`; absent where there is none. */
  readonly network_rules?: NetworkRules
  /** How what leaves reaches the gateway; set by a start. `proxy`: only what programs send through a proxy, and nothing else leaves. */
  readonly egress?: 'enforced' | 'proxy' | 'none'
  readonly ip?: string
  readonly image: string
  readonly vcpus?: number
  readonly memory_mb: number
  readonly workspace: WorkspaceMode
  /** Host path of the project it was made from. */
  readonly project?: string
  readonly agent?: string
  readonly ports?: readonly string[]
  readonly placeholder_secrets: boolean
  /** Variable to the hosts that its secret is for; never a value. */
  readonly secret_mappings?: Readonly<Record<string, string>>
  readonly secret_files?: readonly string[]
  readonly labels?: Readonly<Record<string, string>>
  readonly description?: string
  readonly created_at: string
  readonly started_at?: string
  readonly last_activity_at: string
  readonly expires_at?: string
  readonly archived_at?: string
  readonly archived_reason?: string
  readonly lifecycle?: Lifecycle
  /** How long each part of the request took, in ms; only in the reply to create and start. */
  readonly timings_ms?: Readonly<Record<string, number>>
  /** What the caller should know; only in replies to a change. */
  readonly warnings?: readonly string[]
}

/** A sandbox to make. Absent means: as the configuration says. */
export interface CreateRequest {
  readonly name: string
  readonly image?: string
  readonly backend?: string
  readonly vcpus?: number
  readonly memory_mb?: number
  readonly profile?: ProfileName
  readonly agent?: string
  /** `[ADDRESS:]HOST:SANDBOX[/udp]`, or `SANDBOX` for a port that the host chooses; on 127.0.0.1 without an address. */
  readonly ports?: readonly string[]
  /** Absent: `allow` decides, or else configuration and profile. */
  readonly network?: NetworkMode
  /** Network rules. Without `network` they are all that is allowed. */
  readonly allow?: readonly string[]
  /** What may be pushed to git servers over HTTPS: `HOST[/REPO]=REF[,REF]`. */
  readonly git_push?: readonly string[]
  readonly block?: readonly string[]
  readonly labels?: Readonly<Record<string, string>>
  readonly description?: string
  readonly lifecycle?: Lifecycle
  /** Bindings in their text form (`KEY:HOST`), or as tables. A value may be in them: then it goes to the vault. Needs an API key over HTTP. */
  readonly secrets?: readonly (string | SecretRequest)[]
  /** Names of secrets that are files inside. */
  readonly secret_files?: readonly (string | SecretRequest)[]
  /** Variable to host: the short form of bindings whose values are in the vault. */
  readonly secret_mappings?: Readonly<Record<string, string>>
  /** Tokens instead of one placeholder for all. @default false */
  readonly placeholder_secrets?: boolean
  /** `1h`, `45s`, `0` = never. */
  readonly ttl?: string
  /** Variables of every command, `KEY=value`. */
  readonly env?: readonly string[]
  /** False makes it and leaves it stopped. @default true */
  readonly start?: boolean
  /** Host directory whose project is copied in; none without it. Needs an API key over HTTP. */
  readonly dir?: string
  /** `none` or `copy`; a sandbox that stays never shares the live files. */
  readonly workspace?: 'none' | 'copy'
  /** Host path of a config file that the user named. Needs an API key over HTTP. */
  readonly config_path?: string
  /** The caller's PATH, to find toolchains of a host root. */
  readonly caller_path?: string
}
export interface PatchRequest {
  /** Replaces all labels. */
  readonly labels?: Readonly<Record<string, string>>
  readonly description?: string | null
  /** Null clears it. */
  readonly lifecycle?: Lifecycle | null
}
export interface ExecRequest {
  readonly command: readonly string[]
  /** `KEY=value`. */
  readonly env?: readonly string[]
  readonly workdir?: string
  /** As root; needs `[api].allow_sudo_exec` over HTTP. */
  readonly sudo?: boolean
  /** 0 or absent = none. */
  readonly timeout_ms?: number
  /** Rules for this command alone, in place of the sandbox's. Needs an API key over HTTP. */
  readonly allow?: readonly string[]
  /** Rules that block for this command alone, besides the sandbox's. */
  readonly block?: readonly string[]
  /** No network for this command. */
  readonly network?: 'none'
}
/** The result of a command that was waited for. */
export interface ExecResult {
  /** stdout followed by stderr, as text; at most 16 MiB. */
  readonly output: string
  readonly stdout: string
  readonly stderr: string
  /** What a shell would report: the status, 128+N, 124. */
  readonly exit_code: number
  readonly ended: 'exited' | 'signaled' | 'timed_out' | 'out_of_memory' | 'canceled' | 'lost'
  readonly duration_ms: number
  readonly exec_id: string
  /** True when `output` holds only the beginning; `output_url` has all of it. */
  readonly truncated?: boolean
  readonly output_url?: string
}
export interface DetachedCommand {
  readonly id: string
  readonly sandbox: string
  readonly command: readonly string[]
  readonly pid: number
  readonly status: 'running' | 'completed' | 'failed'
  readonly exit_code: number | null
  readonly started_at: string
}
export interface FileContent {
  readonly content: string
  readonly encoding: 'utf8' | 'base64'
  readonly size: number
}
export interface ReconcileReport {
  readonly dry_run: boolean
  readonly stopped: readonly string[]
  readonly archived: readonly string[]
  readonly removed: readonly string[]
  readonly actions: readonly { readonly sandbox: string; readonly action: 'stop' | 'archive' | 'remove'; readonly reason: string }[]
}
export interface SandboxStats {
  readonly sandbox: string
  readonly status: SandboxState
  readonly memory_bytes?: number
  readonly memory_peak_bytes?: number
  readonly memory_limit_bytes?: number
  readonly cpu_ms?: number
  readonly process_count?: number
  readonly processes?: readonly { readonly pid: number; readonly argv: readonly string[]; readonly rss: number; readonly cpu_ms: number }[]
}
/** One thing that happened, as `/events` and webhooks send it. */
export interface LifecycleEvent {
  readonly id: number
  readonly event: LifecycleEventName
  readonly timestamp: string
  readonly sandbox: string
  readonly labels: Readonly<Record<string, string>>
  readonly metadata: Readonly<Record<string, unknown>>
}
export const LIFECYCLE_EVENTS = [
  'sandbox.created',
  'sandbox.started',
  'sandbox.stopped',
  'sandbox.archived',
  'sandbox.recovered',
  'sandbox.failed',
  'sandbox.deleted',
  'sandbox.updated',
  'sandbox.resized',
  'sandbox.exec.started',
  'sandbox.exec.completed',
  'sandbox.network.denied',
  'sandbox.file.written',
  'sandbox.file.deleted',
  'sandbox.expired',
] as const
export type LifecycleEventName = (typeof LIFECYCLE_EVENTS)[number]

/** Limits of what JSON holds of a command's output; the rest is at the log's URL. */
export const MAX_JSON_OUTPUT_BYTES = 16 * 1024 ** 2
