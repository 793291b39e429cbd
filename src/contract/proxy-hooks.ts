import type { GitRule } from './git-rules.ts'
import type { NetworkRules, ProxyHook } from './network.ts'

/** Who is told of requests, over all sandboxes of the daemon. */
export interface ProxyHookOperations {
  /** The address of a webhook is shown without what may be a token. Errors, here and below: `config_invalid`, `vault_unsafe`. */
  list(): Promise<readonly HookInfo[]>
  /** Keeps it, for sandboxes that run and for all to come. Resolves with how many gateways are open. Errors: `invalid_argument`, `already_exists`. */
  add(hook: HookRequest): Promise<number>
  /** Errors: `not_found`, `invalid_argument` for one of the configuration. */
  remove(name: string): Promise<void>
}

export type HookInfo = ProxyHook & { readonly source: 'config' | 'api' }

/** A hook as somebody asks for it. */
export interface HookRequest {
  readonly name: string
  readonly event: ProxyHook['event']
  readonly target: { readonly type: ProxyHook['target']['type']; readonly url?: string; readonly path?: string }
}

/** How a sandbox reaches the network. */
export interface SandboxProxy {
  readonly sandbox: string
  /** `tun`: whatever a program sends goes through the gateway; `proxy`: a proxy in the sandbox, and nothing else leads out; absent: it is not known before its first start. */
  readonly egress?: 'tun' | 'proxy' | 'none'
  /** Hosts that secrets are bound to. */
  readonly bound_hosts: readonly string[]
  /** SHA-256 of the certificate of its own authority; absent: no TLS of it is opened. */
  readonly ca_fingerprint?: string
  readonly rules: NetworkRules
  /** Absent: whatever the rules allow may be pushed. */
  readonly git_rules?: readonly GitRule[]
}
