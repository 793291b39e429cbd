import type { RequestOptions } from '../transport.ts'
import type {
  GrantPermissionRequest,
  LlmKeyRequest,
  LlmUsageEntry,
  PermissionGrant,
  PermissionKind,
  PolicyDecision,
  PolicyStatus,
  ProxyHook,
  SandboxProxy,
  SecretInfo,
} from '../types/governance.ts'
import { route } from '../url.ts'
import { FilesClient } from './files.ts'

/** Secrets, permissions, policy and metering. Errors: `not_available_yet` from a server that does not have them. */
export abstract class GovernanceClient extends FilesClient {
  /** Names only: a value never comes back. */
  async listSecrets(options?: RequestOptions): Promise<SecretInfo[]> {
    return this.api.json('GET', '/secrets', { options })
  }

  async setSecret(name: string, value: string, options?: RequestOptions): Promise<void> {
    await this.api.json('POST', '/secrets', { body: { name, value }, options })
  }

  async deleteSecret(name: string, options?: RequestOptions): Promise<void> {
    await this.api.json('DELETE', route('secrets', name), { options })
  }

  async listProxyHooks(options?: RequestOptions): Promise<ProxyHook[]> {
    return this.api.json('GET', '/proxy/hooks', { options })
  }

  async addProxyHook(hook: ProxyHook, options?: RequestOptions): Promise<string> {
    return this.api.json('POST', '/proxy/hooks', { body: hook, options })
  }

  async deleteProxyHook(name: string, options?: RequestOptions): Promise<void> {
    await this.api.json('DELETE', route('proxy', 'hooks', name), { options })
  }

  /** How a sandbox reaches the network: its rules, bound hosts and certificate. */
  async getSandboxProxy(name: string, options?: RequestOptions): Promise<SandboxProxy> {
    return this.api.json('GET', route('sandboxes', name, 'proxy'), { options })
  }

  /** Tokens by sandbox. `since`: only of this last time, such as `7d`. */
  async llmUsage(options: RequestOptions & { since?: string } = {}): Promise<Record<string, LlmUsageEntry[]>> {
    const { since, ...rest } = options
    return this.api.json('GET', '/llm/usage', { query: { since }, options: rest })
  }

  async sandboxLlmUsage(sandbox: string, options: RequestOptions & { since?: string } = {}): Promise<LlmUsageEntry[]> {
    const { since, ...rest } = options
    return this.api.json('GET', route('llm', 'usage', sandbox), { query: { since }, options: rest })
  }

  async llmSpend(options?: RequestOptions): Promise<Record<string, unknown>> {
    return this.api.json('GET', '/llm/spend', { options })
  }

  /** Names of keys in the vault, by domain. */
  async listLlmKeys(options?: RequestOptions): Promise<Record<string, string>> {
    return this.api.json('GET', '/llm/keys', { options })
  }

  /** `provider`: a name such as `openai`, or a domain. */
  async setLlmKey(provider: string, key: LlmKeyRequest, options?: RequestOptions): Promise<{ domain: string; vault_key_name: string }> {
    return this.api.json('PUT', route('llm', 'keys', provider), { body: key, options })
  }

  /** The vault keeps the key. */
  async deleteLlmKey(provider: string, options?: RequestOptions): Promise<void> {
    await this.api.json('DELETE', route('llm', 'keys', provider), { options })
  }

  async listPermissions(options?: RequestOptions): Promise<PermissionGrant[]> {
    return this.api.json('GET', '/permissions', { options })
  }

  async grantPermission(request: GrantPermissionRequest, options?: RequestOptions): Promise<{ grant_id: string; kind: PermissionKind }> {
    return this.api.json('POST', '/permissions/grant', { body: request, options })
  }

  async revokePermission(id: string, options?: RequestOptions): Promise<void> {
    await this.api.json('DELETE', route('permissions', id), { options })
  }

  async checkPermission(
    request: { kind: PermissionKind; sandbox?: string },
    options?: RequestOptions,
  ): Promise<{ permitted: boolean; kind: PermissionKind }> {
    return this.api.json('POST', '/permissions/check', { body: request, options })
  }

  async policyStatus(options?: RequestOptions): Promise<PolicyStatus> {
    return this.api.json('GET', '/policy/status', { options })
  }

  /** Would this be allowed? Actions: `run`, `exec`, `create`, `attach`, `mount`, `network`, `portmap`, `ssh`. */
  async checkPolicy(request: { action: string; sandbox?: string }, options?: RequestOptions): Promise<PolicyDecision> {
    return this.api.json('POST', '/policy/check', { body: request, options })
  }

  async reloadPolicy(options?: RequestOptions): Promise<{ reloaded: boolean; version: string | number }> {
    return this.api.json('POST', '/policy/reload', { body: {}, options })
  }

  /** The newest decisions. */
  async policyAudit(options: { last?: number } & RequestOptions = {}): Promise<Record<string, unknown>[]> {
    return this.api.json('GET', '/policy/audit', { query: { last: options.last }, options })
  }

  async quotas(options?: RequestOptions): Promise<Record<string, unknown>> {
    return this.api.json('GET', '/quotas', { options })
  }
}
