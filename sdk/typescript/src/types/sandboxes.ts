import type { RequestOptions, StreamOptions } from '../transport.ts'

export type SecurityProfile = 'permissive' | 'moderate' | 'restrictive'
/** `running` and `stopped` are all that servers before 0.20 know. */
export type SandboxStatus = 'creating' | 'running' | 'stopped' | 'archived' | 'failed' | 'removing'

/** When a sandbox is stopped, archived and deleted by itself, in seconds without activity (deleted: since archived). */
export interface Lifecycle {
  auto_stop_after_seconds?: number
  auto_archive_after_seconds?: number
  auto_delete_after_seconds?: number
}

/** A sandbox. Nothing empty is in it: an absent member means none, or that the server is older. Times are RFC 3339, UTC. */
export interface SandboxInfo {
  name: string
  /** UUIDv7. */
  uuid?: string
  status: SandboxStatus
  /** Why it is `failed`. */
  failure?: string
  backend: string
  isolation?: string
  profile?: SecurityProfile
  network?: 'none' | 'listed' | 'public'
  /** The written rules behind `network`; absent where there is none. */
  network_rules?: { allow: string[]; block: string[] }
  /** How what leaves reaches the gateway. */
  egress?: 'enforced' | 'proxy' | 'none'
  ip?: string
  image?: string
  vcpus?: number
  memory_mb?: number
  workspace?: 'none' | 'copy' | 'mount'
  /** Host path of the project it was made from. */
  project?: string
  agent?: string
  ports?: string[]
  placeholder_secrets?: boolean
  /** Variable to the hosts that its secret is for. */
  secret_mappings?: Record<string, string>
  secret_files?: string[]
  labels?: Record<string, string>
  description?: string
  created_at?: string
  started_at?: string
  last_activity_at?: string
  expires_at?: string
  archived_at?: string
  archived_reason?: string
  lifecycle?: Lifecycle
  /** How long each part of the request took, in ms; in the reply to create and start. */
  timings_ms?: Record<string, number>
  /** What the caller should know; in replies to a change. */
  warnings?: string[]
}

/** A secret and where it may go. */
export interface SecretBindingOptions {
  /** Variable inside the sandbox. */
  name: string
  /** @default the value in the vault */
  value?: string
  /** @default known from the name */
  host?: string | string[]
  /** Gets the bare value. @default `Authorization: Bearer VALUE` */
  header?: string
  /** Where else a placeholder is swapped. */
  in?: ('query' | 'body')[]
  methods?: string[]
  /** `*` = any characters. */
  paths?: string[]
}

/** A sandbox to make. What is not given is as the server's configuration says. */
export interface CreateSandboxOptions extends RequestOptions {
  image?: string
  /** Which way to isolate, such as `namespace`. */
  backend?: string
  vcpus?: number
  memory_mb?: number
  /** @default moderate */
  profile?: SecurityProfile
  /** Git repository to clone into it. */
  source_url?: string
  /** Branch, tag or commit of it. */
  source_ref?: string
  /** `name:/path` or `name:/path:ro`. */
  volumes?: string[]
  /** Secrets that are put into requests on their way out: `KEY=value:host`, `KEY:host`, `KEY:host:header`. */
  secrets?: (string | SecretBindingOptions)[]
  /** Names of secrets to show as files. */
  secret_files?: (string | SecretBindingOptions)[]
  placeholder_secrets?: boolean
  /** Variable to host. */
  secret_mappings?: Record<string, string>
  /** Coding agent it is meant for. */
  agent?: string
  /** `[ADDRESS:]HOST:SANDBOX[/udp]`, or `SANDBOX` for a port that the host chooses. */
  ports?: string[]
  /** How far it may reach. @default `allow`, the configuration and the profile decide */
  network?: 'none' | 'listed' | 'public' | 'learn'
  /** Network rules; without `network` they are all that is allowed. */
  allow?: string[]
  /** What may be pushed to git servers over HTTPS: `HOST[/REPO]=REF[,REF]`. */
  git_push?: string[]
  /** Network rules that win over `allow`. */
  block?: string[]
  labels?: Record<string, string>
  description?: string
  lifecycle?: Lifecycle
  created_from_template?: string
  template_help_text?: string
  /** Time to live: `1h`, `45s`; `0` = for ever. */
  ttl?: string
  /** Variables of every command, `KEY=value`. */
  env?: string[]
  /** False leaves it stopped. @default true */
  start?: boolean
  /** Host directory whose project is copied in. Needs an API key. */
  dir?: string
  workspace?: 'none' | 'copy'
  /** Host path of a config file. Needs an API key. */
  config_path?: string
  init_script?: string
  /** Makes a repetition safe: the same key again gives the first answer. 1 to 255 visible characters. */
  idempotencyKey?: string
}

/** A change; what is not given stays. */
export interface PatchSandboxRequest {
  /** Replaces all labels. */
  labels?: Record<string, string>
  /** Null takes it away. */
  description?: string | null
  /** Null takes it away. */
  lifecycle?: Lifecycle | null
}

export interface ResizeRequest {
  vcpus?: number
  memory_mb?: number
}

export interface ListSandboxesOptions extends RequestOptions {
  /** Only those that have all of these. */
  labels?: Record<string, string>
  /** Only those made from this host directory's project. */
  project?: string
}

export interface ExtendTtlOptions extends RequestOptions {
  /** `1h`, `30m`, `2d`, added to the later of now and the present end; `0` takes the end away. */
  by: string
}
export interface ExtendTtlResponse {
  /** RFC 3339, UTC; absent = never. */
  expires_at?: string
}

export interface GcOptions extends RequestOptions {
  /** Only say what would be removed. */
  dry_run?: boolean
  /** Remove whatever has all of these, in place of what has expired. */
  labels?: Record<string, string>
}
export interface GcReport {
  removed: string[]
  count: number
}

export interface ReconcileOptions extends RequestOptions {
  /** Only say what would be done. */
  dry_run?: boolean
}
export interface ReconcileReport {
  dry_run: boolean
  stopped: string[]
  archived: string[]
  removed: string[]
  actions: { sandbox: string; action: 'stop' | 'archive' | 'remove'; reason: string }[]
}

export interface SandboxStats {
  sandbox: string
  status: SandboxStatus
  memory_bytes?: number
  memory_peak_bytes?: number
  memory_limit_bytes?: number
  cpu_ms?: number
  process_count?: number
  processes?: { pid: number; argv: string[]; rss: number; cpu_ms: number }[]
}

export interface ImportConfigRequest {
  /** The text of an `agentkernel.toml`, as `exportConfig` gives it. */
  config: string
  /** Name of the new sandbox. @default as the text says */
  as?: string
  backend?: string
}

/** One thing that happened. */
export interface LifecycleEvent {
  id: number
  event: LifecycleEventName
  /** RFC 3339, UTC. */
  timestamp: string
  sandbox: string
  labels: Record<string, string>
  metadata: Record<string, unknown>
}
export type LifecycleEventName =
  | 'sandbox.created'
  | 'sandbox.started'
  | 'sandbox.stopped'
  | 'sandbox.archived'
  | 'sandbox.recovered'
  | 'sandbox.failed'
  | 'sandbox.deleted'
  | 'sandbox.updated'
  | 'sandbox.resized'
  | 'sandbox.exec.started'
  | 'sandbox.exec.completed'
  | 'sandbox.network.denied'
  | 'sandbox.file.written'
  | 'sandbox.file.deleted'
  | 'sandbox.expired'

export interface EventsOptions extends StreamOptions {
  /** Only of this sandbox. */
  sandbox?: string
  /** Begin after this event. @default only what happens from now on */
  lastEventId?: number
  /** How often in a row a lost connection is opened again before the stream fails. @default 10 */
  reconnects?: number
}
