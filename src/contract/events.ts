/**
 * Names of everything the product reports about itself. The audit log writes them as `type`; later doors stream them.
 * The first block keeps the names of the earlier product, so that its log readers keep working.
 */
export const EVENT_NAMES = [
  'sandbox_created',
  'sandbox_started',
  'sandbox_stopped',
  'sandbox_removed',
  'command_executed',
  'file_written',
  'file_read',
  'session_attached',
  'policy_violation',
  'ssh_connected',
  'ssh_disconnected',
  'sandbox_error',
  'schedule_triggered',
  // ours
  'config_trusted',
  'secret_set',
  'secret_read',
  'secret_deleted',
  'proxy_request',
  'log_sealed',
] as const
export type EventName = (typeof EVENT_NAMES)[number]

/** One thing that happened, before the log adds its own fields. `type` decides which further fields are there. */
export type AuditEvent =
  | {
      readonly type: 'command_executed'
      readonly sandbox: string
      readonly command: readonly string[]
      readonly exit_code: number | null
      readonly backend: string
      readonly profile: string
      readonly duration_ms: number
      /** The rules by which it could use the network; absent: it had none. */
      readonly network_allow?: readonly string[]
    }
  | { readonly type: 'policy_violation'; readonly sandbox: string; readonly policy: string; readonly details: string }
  | { readonly type: 'sandbox_error'; readonly name: string; readonly error: string }
  | {
      readonly type: 'sandbox_created'
      readonly name: string
      readonly image: string
      readonly backend: string
      readonly labels?: Readonly<Record<string, string>>
      readonly network_allow?: readonly string[]
    }
  | { readonly type: 'sandbox_started'; readonly name: string; readonly profile: string }
  | { readonly type: 'sandbox_stopped' | 'sandbox_removed'; readonly name: string }
  | { readonly type: 'file_written' | 'file_read'; readonly sandbox: string; readonly path: string }
  | { readonly type: 'session_attached'; readonly sandbox: string }
  | { readonly type: 'config_trusted'; readonly path: string; readonly sha256: string }
  | {
      readonly type: 'proxy_request'
      readonly sandbox: string
      readonly method: string
      /** Without query. */
      readonly url: string
      readonly host: string
      readonly status?: number
      readonly secret_injected: boolean
      readonly latency_ms?: number
    }
  | { readonly type: 'secret_set' | 'secret_read' | 'secret_deleted'; readonly name: string }

/** Where events go. `append` resolves when the record is on disk. Errors: `audit_write_failed`. */
export interface AuditSink {
  append(event: AuditEvent): Promise<void>
  /** Does ahead what the next append would have to do first: for a moment of waiting. Writes nothing, never throws. */
  rehearse?(): void
}
