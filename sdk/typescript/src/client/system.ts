import type { RequestOptions } from '../transport.ts'
import { isRecord } from '../errors.ts'
import { route } from '../url.ts'
import type {
  AgentInfo,
  AuditEntry,
  AuditOptions,
  AuditVerification,
  BenchmarkResult,
  DeadLetter,
  DoctorResponse,
  ImageInfo,
  PlaceOptions,
  ServerStats,
  ServerStatus,
  SessionInfo,
  WebhookInfo,
} from '../types/system.ts'
import type { EventsOptions, GcOptions, GcReport, LifecycleEvent, ReconcileOptions, ReconcileReport } from '../types/sandboxes.ts'
import { followEvents } from '../events.ts'
import { ClientBase } from './base.ts'

/** The server itself: is it well, what does it do, what has happened. */
export abstract class SystemClient extends ClientBase {
  /** `ok` from a server that is well. Needs no key. */
  async health(options?: RequestOptions): Promise<string> {
    const data = await this.api.json<unknown>('GET', '/health', { options })
    return isRecord(data) ? String(data['status']) : String(data)
  }

  async status(options?: RequestOptions): Promise<ServerStatus> {
    return this.api.json('GET', '/status', { options })
  }

  async stats(options?: RequestOptions): Promise<ServerStats> {
    return this.api.json('GET', '/stats', { options })
  }

  /** In the text format of Prometheus. */
  async metrics(options?: RequestOptions): Promise<string> {
    return this.api.text('GET', '/metrics', { headers: { Accept: 'text/plain' }, options })
  }

  /** What works on the server's machine. */
  async doctor(options: PlaceOptions = {}): Promise<DoctorResponse> {
    return this.api.json('GET', '/doctor', { query: { cwd: options.cwd }, options })
  }

  /** The newest records of the audit log, oldest first. */
  async audit(options: AuditOptions = {}): Promise<AuditEntry[]> {
    return this.api.json('GET', '/audit', { query: { last: options.last, sandbox: options.sandbox }, options })
  }

  /** Checks the audit log for changes. */
  async verifyAudit(options?: RequestOptions): Promise<AuditVerification> {
    return this.api.json('GET', '/audit/verify', { options })
  }

  /** How many records of the audit log each sandbox has. */
  async listSessions(options?: RequestOptions): Promise<SessionInfo[]> {
    return this.api.json('GET', '/sessions', { options })
  }

  async listWebhooks(options?: RequestOptions): Promise<WebhookInfo[]> {
    return this.api.json('GET', '/webhooks', { options })
  }

  /** Deliveries of webhooks that were given up, the newest. */
  async listDeadLetters(options: { last?: number } & RequestOptions = {}): Promise<DeadLetter[]> {
    return this.api.json('GET', '/webhooks/dead-letters', { query: { last: options.last }, options })
  }

  /** The server's own description of its routes, OpenAPI 3.1. */
  async openapi(options?: RequestOptions): Promise<Record<string, unknown>> {
    return this.api.json('GET', '/openapi.json', { options })
  }

  /** Coding agents and whether the server's machine has them. */
  async agents(options: PlaceOptions = {}): Promise<AgentInfo[]> {
    return this.api.json('GET', '/agents', { query: { cwd: options.cwd }, options })
  }

  /** Removes sandboxes that have expired, or that have all of the given labels. */
  async gc(options: GcOptions = {}): Promise<GcReport> {
    const { dry_run, labels } = options
    return this.api.json('POST', '/gc', { body: { dry_run, labels }, options })
  }

  /** Does now what each sandbox's `lifecycle` asks for, or says what that would be. */
  async reconcile(options: ReconcileOptions = {}): Promise<ReconcileReport> {
    return this.api.json('POST', '/lifecycle/reconcile', { body: { dry_run: options.dry_run }, options })
  }

  /**
   * What happens to sandboxes, as it happens, without end. A connection that is lost is opened again after 0.25 to 5 seconds, from the
   * event that was seen last, so that none is missed. Leave the loop or abort `signal` to stop it.
   */
  events(options: EventsOptions = {}): AsyncGenerator<LifecycleEvent, void, void> {
    return followEvents(this.api, options)
  }

  /** Makes, uses and removes a sandbox, and says how long each took. */
  async benchmark(options?: RequestOptions): Promise<BenchmarkResult> {
    return this.api.json('POST', '/benchmark', { body: {}, options })
  }

  async listImages(options?: RequestOptions): Promise<ImageInfo[]> {
    return this.api.json('GET', '/images', { options })
  }

  async deleteImage(id: string, options?: RequestOptions): Promise<void> {
    await this.api.json('DELETE', route('images', id), { options })
  }
}
