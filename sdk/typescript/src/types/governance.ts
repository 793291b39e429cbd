/** A secret in the server's vault; its value is never shown. */
export interface SecretInfo {
  name: string
  /** Where its value is. */
  backend?: 'file' | 'env' | 'keychain'
  /** Absent for `env`. */
  created_at?: string
  updated_at?: string
}

export interface ProxyHook {
  name: string
  event: 'on_request' | 'on_response'
  target: { type: 'webhook'; url: string } | { type: 'file'; path: string } | { type: 'audit' }
}

/** How a sandbox reaches the network. */
export interface SandboxProxy {
  sandbox: string
  /** How its programs reach the gateway; absent before its first start. */
  egress?: 'tun' | 'proxy' | 'none'
  /** Hosts that secrets are bound to. */
  bound_hosts: string[]
  /** SHA-256 of its own authority; absent where no TLS is opened. */
  ca_fingerprint?: string
  rules: { allow: string[]; block: string[] }
  /** What may be pushed over HTTPS. */
  git_rules?: { host: string; repos: string[]; push: string[]; force: boolean; delete: boolean }[]
}

export interface LlmUsageEntry {
  provider: string
  model: string
  request_count: number
  streaming_count: number
  total_input_tokens: number
  total_output_tokens: number
  total_cached_tokens: number
  total_tokens: number
  /** Bytes of bodies of requests. */
  bytes_out: number
  /** Dollars, of the calls that have a price; absent where none has. */
  cost_usd?: number
  /** Calls that used tokens of a model without a price. */
  unpriced_count: number
  /** Calls whose reply did not say its usage. */
  estimated_count: number
  last_request: string
}
export interface LlmKeyRequest {
  /** @default PROVIDER_API_KEY */
  vault_key_name?: string
  /** Stored in the vault under that name. */
  value?: string
}

export type PermissionKind = 'sandbox_remove' | 'sandbox_create' | 'network_access' | 'mount_directory' | 'sudo_exec' | 'file_delete'
export interface PermissionGrant {
  id: string
  kind: PermissionKind
  scope: 'once' | 'session' | 'always'
  sandbox: string | null
  granted_at: string
  granted_by: string
}
export interface GrantPermissionRequest {
  kind: PermissionKind
  /** @default once */
  scope?: 'once' | 'session' | 'always'
  sandbox?: string
}

export interface PolicyStatus {
  enabled: boolean
  version: string | number | null
  org_id: string | null
  offline_mode: boolean
  policy_server: string | null
}
export interface PolicyDecision {
  decision: 'permit' | 'deny'
  reason: string
  matched_policies: string[]
  evaluation_time_us: number
}
