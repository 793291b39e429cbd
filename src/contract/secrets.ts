import type { Secret } from '../lib/secret.ts'

/** Where the vault keeps values. */
export const VAULT_BACKENDS = ['file', 'env', 'keychain'] as const
export type VaultBackend = (typeof VAULT_BACKENDS)[number]

/** A secret as lists show it; a value is never part of it. */
export interface SecretEntry {
  readonly name: string
  readonly backend: VaultBackend
  /** RFC 3339; absent for `env`. */
  readonly created_at?: string
  readonly updated_at?: string
}

/** What a sandbox sees in the variable of a secret that the gateway puts in as a header. */
export const MANAGED_PLACEHOLDER = 'ak-proxy-managed'
/** Before 32 hexadecimal digits: a token of one secret in one sandbox. */
export const PLACEHOLDER_PREFIX = 'AGENTKERNEL_PLACEHOLDER_'

/** Parts of a request in which a placeholder is swapped; headers always. */
export const SWAP_PLACES = ['query', 'body'] as const
export type SwapPlace = (typeof SWAP_PLACES)[number]

/** Which secret goes where; what is saved with a sandbox. Never a value. */
export interface SecretBinding {
  /** Variable inside the sandbox, `[A-Za-z_][A-Za-z0-9_-]*`. */
  readonly name: string
  /** Name in the vault: the same for a user's own, `sandbox/ID/NAME` for a value that came with the sandbox. */
  readonly vaultKey: string
  /** Host patterns (`x.com`, `*.x.com`, optional `:port`). Empty for a file. */
  readonly hosts: readonly string[]
  /** Header that the gateway sets. Default: Authorization, as `Bearer VALUE`; a header that is named gets the bare value. */
  readonly header?: string
  /** `header`: the gateway sets the header itself. `token`: it swaps a token wherever the program puts it. `file`: the value is a file inside. */
  readonly how: 'header' | 'token' | 'file'
  readonly swap?: readonly SwapPlace[]
  /** Only requests with these methods; absent = all. */
  readonly methods?: readonly string[]
  /** Only requests to these paths (`*` = any characters); absent = all. */
  readonly paths?: readonly string[]
}

/** A binding with its value, in the memory of the process that runs the gateway and nowhere else. */
export interface BoundSecret {
  readonly binding: SecretBinding
  /** Read at each use, so that a new value holds at once. Undefined: the vault no longer has it. */
  readonly value: () => Secret | undefined
  /** What the sandbox sees in place of the value. */
  readonly placeholder: string
}

/** The vault, as everything outside `src/secrets` sees it. Each method may fail with `vault_locked` or `vault_damaged`. */
export interface Vault {
  get(name: string): Promise<Secret | undefined>
  set(name: string, value: Secret): Promise<void>
  /** False: there was none. */
  delete(name: string): Promise<boolean>
  /** Users' own secrets only, sorted by name. */
  list(): Promise<readonly SecretEntry[]>
  /** Removes everything below `sandbox/ID/`. */
  forget(sandboxId: string): Promise<void>
}
