import type { RequestOptions } from '../transport.ts'

export interface ServerStatus {
  version: string
  backend: string
  api_key_configured: boolean
}

export interface ServerStats {
  sandbox_count: number
  /** 0 = unlimited. */
  sandbox_limit: number
  backend: string
  uptime_seconds: number
  version: string
  /** Of the host. */
  resource_usage?: { cpu_percent: number; memory_used_mb: number; memory_total_mb: number; disk_used_mb: number }
}

export interface DoctorResponse {
  checks: { name: string; status: 'ok' | 'warning' | 'info' | 'error'; message: string; fix?: string }[]
  healthy: boolean
  /** The backend that is used when none is named. */
  selected?: string
}

export interface AgentInfo {
  name: string
  display_name: string
  /** Its program is on the server's PATH. */
  enabled: boolean
  description: string
  version?: string
  /** One of its key variables is set. */
  key_set?: boolean
  key_variables?: string[]
  install_hint?: string
}

/** Options that name the place on the server's machine from which to look. */
export interface PlaceOptions extends RequestOptions {
  /** Host directory. Needs an API key. */
  cwd?: string
}

export interface AuditOptions extends RequestOptions {
  /** How many, the newest. @default 100 */
  last?: number
  /** Only of this sandbox. */
  sandbox?: string
}
/** One record of the audit log. */
export type AuditEntry = Record<string, unknown>

export interface AuditVerification {
  ok: boolean
  path: string
  records: number
  /** The first thing that is wrong. */
  broken?: { line: number; reason: string }
}

/** A webhook and how it fares. */
export interface WebhookInfo {
  /** Without credentials. */
  url: string
  /** Absent = all. */
  events?: string[]
  signed: boolean
  delivered: number
  failed: number
  pending: number
  last_error?: string
}
/** A delivery that was given up. */
export interface DeadLetter {
  id: number
  url: string
  /** What was to be sent. */
  event: unknown
  attempts: number
  error: string
  failed_at: string
}

export interface SessionInfo {
  sandbox: string
  entry_count: number
}

export interface BenchmarkResult {
  create_ms: number
  exec_ms: number
  destroy_ms: number
  total_ms: number
  image: string
  backend: string
  started_at: string
  finished_at: string
  timestamp: string
}

export interface ImageInfo {
  id: string
  repository: string
  tag: string
  size: string | number
  created: string
}

/** What every JSON answer of the server is in. */
export interface ApiResponse<T> {
  success: boolean
  data?: T
  error?: string
}
