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

/** Where files of secrets are inside a sandbox, each of mode 0400; `SECRETS_VARIABLE` names it. */
export const SECRETS_FOLDER = '/run/agentkernel/secrets'
export const SECRETS_VARIABLE = 'AGENTKERNEL_SECRETS_PATH'

/** Largest value, in bytes of UTF-8. */
export const LARGEST_SECRET_BYTES = 64 * 1024
export const LONGEST_SECRET_NAME = 128

/** Why a user's secret cannot have this name, as a clause; undefined when it can. */
export function secretNameProblem(name: string): string | undefined {
  if (name === '') return 'is empty'
  if (!/^[A-Za-z0-9_-]+$/.test(name)) return 'holds a character that is no ASCII letter, digit, "-" or "_"'
  return name.length > LONGEST_SECRET_NAME ? `has ${name.length} characters; the most is ${LONGEST_SECRET_NAME}` : undefined
}

/** Said once to whoever puts a value on the command line; also for `KEY=VALUE:HOST` and keys of `serve`. */
export const SEEN_ON_COMMAND_LINE =
  'A value on the command line can be seen in the list of processes and in the history of the shell. ' +
  'Leave it out to be asked for it, or give it in a file or on stdin.'

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
  /** Authorization is `Basic` of this user name and the value, as git over HTTPS wants it. Only without `header`. */
  readonly basicUser?: string
  /** `header`: the gateway sets the header itself. `token`: it swaps a token wherever the program puts it. `file`: the value is a file inside. */
  readonly how: 'header' | 'token' | 'file'
  readonly swap?: readonly SwapPlace[]
  /** Only requests with these methods; absent = all. */
  readonly methods?: readonly string[]
  /** Only requests to these paths (`*` = any characters); absent = all. */
  readonly paths?: readonly string[]
  /** With `token`: the token is also the content of a file in `SECRETS_FOLDER`. With `file` it goes without saying. */
  readonly file?: true
  /** With `token`: the token, made once for a sandbox so that it stays the same over stop and start. */
  readonly placeholder?: string
}

/** A binding as config files and JSON write it; the text forms of `-S` say the same. */
export interface SecretRequest {
  readonly name: string
  /** Absent: from the vault, else from the caller's environment. */
  readonly value?: string
  /** Absent: known from the name. */
  readonly host?: string | readonly string[]
  readonly header?: string
  readonly in?: readonly SwapPlace[]
  readonly methods?: readonly string[]
  readonly paths?: readonly string[]
}

/** `[secrets]` of config files and templates: `KEY = "HOST"` or `KEY = { host, header, … }`. A value never stands there. */
export type SecretsTable = Readonly<Record<string, string | Omit<SecretRequest, 'name' | 'value'>>>

/** What configuration says about secrets. */
export interface SecretSettings {
  /** @default 'file' */
  readonly backend?: VaultBackend
  readonly table: SecretsTable
  /** Secrets that are given as files. */
  readonly files: readonly string[]
}
export const NO_SECRET_SETTINGS: SecretSettings = { table: {}, files: [] }

/** A binding with its value, in the memory of the process that runs the gateway and nowhere else. */
export interface BoundSecret {
  readonly binding: SecretBinding
  /** Read at each use, so that a new value holds at once. Undefined: the vault no longer has it. */
  readonly value: () => Secret | undefined
  /** What the sandbox sees in place of the value. */
  readonly placeholder: string
}

/** The vault, as everything outside `src/secrets` sees it. Each method may fail with `vault_locked`, `vault_damaged` or `vault_unsafe`. */
export interface Vault {
  get(name: string): Promise<Secret | undefined>
  /** Errors: `invalid_argument` for a name or a value that cannot be; `vault_read_only` with the backend `env`. */
  set(name: string, value: Secret): Promise<void>
  /** False: there was none. Errors: `vault_read_only`. */
  delete(name: string): Promise<boolean>
  /** Users' own secrets only, sorted by name. */
  list(): Promise<readonly SecretEntry[]>
  /** Removes everything below `sandbox/ID/`. */
  forget(sandboxId: string): Promise<void>
  /** The present values of these names, for who cannot wait: see `LiveSecrets`. */
  live(names: readonly string[]): Promise<LiveSecrets>
}

/** Values as they are now, answered from memory. A value set elsewhere holds within a second (keychain: ten); one that is gone is undefined. */
export interface LiveSecrets {
  value(name: string): Secret | undefined
  /** Ends what keeps the values fresh. Safe to repeat. */
  close(): void
}
