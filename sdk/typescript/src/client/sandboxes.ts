import { isRecord } from '../errors.ts'
import type { RequestOptions } from '../transport.ts'
import type {
  CreateSandboxOptions,
  ExtendTtlOptions,
  ExtendTtlResponse,
  ImportConfigRequest,
  ListSandboxesOptions,
  PatchSandboxRequest,
  ResizeRequest,
  SandboxInfo,
  SandboxStats,
} from '../types/sandboxes.ts'
import type { AuditEntry } from '../types/system.ts'
import { route } from '../url.ts'
import { RunClient } from './run.ts'

/** Sandboxes that stay: from create to remove. Each method that takes a name may fail with `sandbox_not_found`. */
export abstract class SandboxesClient extends RunClient {
  async listSandboxes(options: ListSandboxesOptions = {}): Promise<SandboxInfo[]> {
    const label = Object.entries(options.labels ?? {}).map(([key, value]) => `${key}:${value}`)
    return this.api.json('GET', '/sandboxes', { query: { label, project: options.project }, options })
  }

  /** Makes a sandbox and starts it. Errors: `already_exists`, `invalid_argument`, `idempotency_mismatch`, `sandbox_start_failed`. */
  async createSandbox(name: string, options: CreateSandboxOptions = {}): Promise<SandboxInfo> {
    const { signal: _signal, timeout: _timeout, idempotencyKey, ...fields } = options
    const headers: Record<string, string> = idempotencyKey === undefined ? {} : { 'Idempotency-Key': idempotencyKey }
    return this.api.json('POST', '/sandboxes', { body: { name, ...fields }, headers, options })
  }

  async getSandbox(name: string, options?: RequestOptions): Promise<SandboxInfo> {
    return this.api.json('GET', route('sandboxes', name), { options })
  }

  async getSandboxByUuid(uuid: string, options?: RequestOptions): Promise<SandboxInfo> {
    return this.api.json('GET', route('sandboxes', 'by-uuid', uuid), { options })
  }

  /** Changes what is known of a sandbox; what runs in it is not touched. */
  async patchSandbox(name: string, change: PatchSandboxRequest, options?: RequestOptions): Promise<SandboxInfo> {
    return this.api.json('PATCH', route('sandboxes', name), { body: change, options })
  }

  /** Removes a sandbox and everything in it, whatever its state. */
  async removeSandbox(name: string, options?: RequestOptions): Promise<void> {
    await this.api.json('DELETE', route('sandboxes', name), { options })
  }

  /** Starts a sandbox with the files it had; one that runs already is a success. Errors: `sandbox_archived`. */
  async startSandbox(name: string, options?: RequestOptions): Promise<SandboxInfo> {
    return this.#change(name, 'start', {}, options)
  }

  /** Ends everything that runs in it and keeps its files. */
  async stopSandbox(name: string, options?: RequestOptions): Promise<SandboxInfo> {
    return this.#change(name, 'stop', {}, options)
  }

  /** Gives it other limits, at once where it runs. */
  async resizeSandbox(name: string, limits: ResizeRequest, options?: RequestOptions): Promise<SandboxInfo> {
    return this.#change(name, 'resize', limits, options)
  }

  /** Makes an archived or failed sandbox an ordinary stopped one. */
  async recoverSandbox(name: string, options?: RequestOptions): Promise<SandboxInfo> {
    return this.#change(name, 'recover', {}, options)
  }

  /** Moves the end of a sandbox's time to live. */
  async extendTtl(name: string, options: ExtendTtlOptions): Promise<ExtendTtlResponse> {
    const body = { by: options.by }
    const { expires_at } = await this.api.json<{ expires_at?: string | null }>('POST', route('sandboxes', name, 'extend'), {
      body,
      options,
    })
    return typeof expires_at === 'string' ? { expires_at } : {}
  }

  /** What the audit log says of a sandbox. */
  async getSandboxLogs(name: string, options?: RequestOptions): Promise<AuditEntry[]> {
    return this.api.json('GET', route('sandboxes', name, 'logs'), { options })
  }

  /** The same, as the session that it was. */
  async getSession(name: string, options?: RequestOptions): Promise<{ sandbox: string; entries: AuditEntry[] }> {
    return this.api.json('GET', route('sandboxes', name, 'session'), { options })
  }

  /** What it uses now, and what runs in it. */
  async sandboxStats(name: string, options?: RequestOptions): Promise<SandboxStats> {
    return this.api.json('GET', route('sandboxes', name, 'stats'), { options })
  }

  /** A sandbox as the text of an `agentkernel.toml`. */
  async exportConfig(name: string, options?: RequestOptions): Promise<string> {
    return this.api.json('GET', route('sandboxes', name, 'config'), { options })
  }

  /** Makes a sandbox from such a text, and does not start it. */
  async importConfig(request: ImportConfigRequest, options?: RequestOptions): Promise<SandboxInfo> {
    const { as, ...body } = request
    const path = as === undefined ? '/sandboxes/import' : route('sandboxes', as, 'config')
    return this.api.json('POST', path, { body, options })
  }

  /** Servers answer with the sandbox, with a sentence and the sandbox beside it, or with the sentence only. */
  async #change(name: string, verb: string, body: object, options: RequestOptions | undefined): Promise<SandboxInfo> {
    const { data, sandbox } = await this.api.envelope('POST', route('sandboxes', name, verb), { body, options })
    const info = [data, sandbox].find(isRecord)
    // The one place where this answer gets its type.
    return info === undefined ? this.getSandbox(name, options) : (info as unknown as SandboxInfo)
  }
}
