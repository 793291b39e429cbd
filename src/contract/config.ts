import type { SecretSettings } from './secrets.ts'
import type { Secret } from '../lib/secret.ts'
import type { Isolation } from './isolation.ts'
import type { LlmSettings } from './llm.ts'
import type { GitRule } from './git-rules.ts'
import type { ProxyHook, PublishedPort } from './network.ts'

/** Security profiles a user can name. `custom` in a config file means the values of `moderate` plus overrides. */
export const PROFILE_NAMES = ['permissive', 'moderate', 'restrictive'] as const
export type ProfileName = (typeof PROFILE_NAMES)[number]

/** How far a sandbox may reach into the network, from nothing to every public host. */
export const NETWORK_LEVELS = ['none', 'listed', 'public'] as const
export type NetworkLevel = (typeof NETWORK_LEVELS)[number]

/** Agents whose needs have a prepared set of permissions. */
export const COMPATIBILITY_MODES = ['native', 'claude', 'codex', 'gemini'] as const
export type CompatibilityMode = (typeof COMPATIBILITY_MODES)[number]

/** How a sandbox sees the project: not at all, as a private copy-on-write view, or the real files read-write. */
export const WORKSPACE_MODES = ['none', 'copy', 'mount'] as const
export type WorkspaceMode = (typeof WORKSPACE_MODES)[number]

/** Which commands may start, matched on the base name and on the full text of argv[0]. */
export interface CommandRules {
  readonly allow: readonly string[]
  readonly block: readonly string[]
  /** When true, only commands in `allow` may start. */
  readonly allowlistOnly: boolean
  /** Path of the file the rules come from, for messages. */
  readonly source: string
}

/** What the files say about hosts, all layers together; rules as written, each known to be readable. */
export interface DomainRules {
  readonly allow: readonly string[]
  readonly block: readonly string[]
  /** When true, only what `allow` lists may be reached. */
  readonly allowlistOnly: boolean
}

/** Where one layer of configuration came from. */
export interface ConfigSource {
  readonly path: string
  /** `user`: the user's own file. `project`: found beside the project. `explicit`: named with `--config`. */
  readonly kind: 'user' | 'project' | 'explicit'
  /** True when keys that widen permissions are honoured. */
  readonly trusted: boolean
  /** Hex SHA-256 of the file as it was read. */
  readonly sha256: string
}

/** The security overrides that are left after untrusted files have been narrowed; undefined = the profile decides. */
export interface SecurityOverrides {
  readonly profile?: ProfileName
  readonly compatibilityMode?: CompatibilityMode
  readonly network?: boolean
  readonly mountCwd?: boolean
  readonly mountHome?: boolean
  readonly passEnv?: boolean
  readonly readOnly?: boolean
  /** A built-in name (default, moderate, restrictive, ai-agent) or the absolute path of a seccomp file. */
  readonly seccomp?: string
}

/** What `serve` takes from configuration; undefined = not said. */
export interface ApiConfig {
  readonly key?: Secret
  /** Name of the variable that holds a key. */
  readonly keyVariable?: string
  readonly allowSudoExec?: boolean
  readonly tls?: { readonly enabled?: boolean; readonly certPath?: string; readonly keyPath?: string; readonly required?: boolean }
}

/** All configuration, merged and checked. Made once by `main/config`; everything inside trusts it. */
export interface ResolvedConfig {
  readonly sources: readonly ConfigSource[]
  /** Sentences about unknown keys and combinations without effect, each naming file, line and key. */
  readonly warnings: readonly string[]
  /** Dotted keys of an untrusted project file that were not honoured, e.g. `security.mount_home`. */
  readonly inertKeys: readonly string[]
  /** Dotted keys that are valid but whose feature is not there yet, e.g. `sandbox.init_script`. */
  readonly laterKeys: readonly string[]
  readonly sandboxName?: string
  /** `sandbox.base_image`, or the image of `sandbox.runtime`. */
  readonly image?: string
  readonly vcpus?: number
  readonly memoryMiB?: number
  readonly security: SecurityOverrides
  /** Every layer's command rules; a command must pass all of them. */
  readonly commands: readonly CommandRules[]
  /** The weakest isolation that may be used. */
  readonly minIsolation: Isolation
  /** The widest network that may be had: what is asked for by name beyond it is refused, what is implied is narrowed. */
  readonly minNetwork: NetworkLevel
  readonly domains: DomainRules
  /** Ports of `[network]` and `[ports]`. */
  readonly publish: readonly PublishedPort[]
  readonly environment: Readonly<Record<string, string>>
  readonly api?: ApiConfig
  /** What may be pushed over HTTPS. Absent = no rules, and whatever the network rules allow. */
  readonly gitRules?: readonly GitRule[]
  /** Never of a project's file. Absent = none. */
  readonly hooks?: readonly ProxyHook[]
  /** Absent = as `NO_SECRET_SETTINGS`. */
  readonly secrets?: SecretSettings
  /** PEM files of authorities that servers outside are trusted by besides those of this machine: `network.extra_ca` of the user's own file. */
  readonly extraCa?: readonly string[]
  /** Absent = as `NO_LLM_SETTINGS`. */
  readonly llm?: LlmSettings
}
