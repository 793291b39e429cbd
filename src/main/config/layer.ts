import { dirname, resolve } from 'node:path'
import type {
  ApiConfig,
  CommandRules,
  CompatibilityMode,
  ConfigSource,
  NetworkLevel,
  ProfileName,
  SecurityOverrides,
} from '../../contract/config.ts'
import type { Isolation } from '../../contract/isolation.ts'
import type { ConfigFile } from '../../contract/schemas/config-keys.ts'
import { CONFIG_SHAPE } from '../../contract/schemas/config-keys.ts'
import type { GitRule } from '../../contract/git-rules.ts'
import type { ProxyHook, PublishedPort } from '../../contract/network.ts'
import type { TableKeys } from '../../contract/schemas/config-shape.ts'
import { Secret } from '../../lib/secret.ts'
import type { LlmSettings } from '../../contract/llm.ts'
import { llmOf } from './llm-keys.ts'
import { secretsOf } from './secret-keys.ts'
import type { SecretSettings } from '../../contract/secrets.ts'
import { gitRules, proxyHooks, publishedPorts } from './network-keys.ts'
import { DEFAULT_IMAGE, RUNTIME_IMAGES } from '../../images/detect/runtime-images.ts'

/** One config file in the words of `ResolvedConfig`; what it does not say is undefined. */
export interface Layer {
  readonly source: ConfigSource
  readonly sandboxName: string | undefined
  readonly image: string | undefined
  readonly vcpus: number | undefined
  readonly memoryMiB: number | undefined
  readonly security: SecurityOverrides
  readonly commands: CommandRules | undefined
  readonly minIsolation: Isolation | undefined
  readonly minNetwork: NetworkLevel | undefined
  readonly environment: Readonly<Record<string, string>>
  readonly api: ApiConfig
  readonly domains: { readonly allow: readonly string[]; readonly block: readonly string[]; readonly allowlistOnly: boolean | undefined }
  readonly publish: readonly PublishedPort[]
  readonly gitRules: readonly GitRule[]
  readonly hooks: readonly ProxyHook[]
  readonly extraCa: readonly string[]
  readonly llm: LlmSettings
  readonly secrets: SecretSettings
  readonly laterKeys: readonly string[]
}

/** Reads a checked file, narrowed if it had to be. */
export function toLayer(file: ConfigFile, source: ConfigSource): Layer {
  const { commands } = file.security ?? {}
  return {
    source,
    sandboxName: file.sandbox?.name,
    image: file.sandbox?.base_image ?? imageOf(file.sandbox?.runtime),
    vcpus: file.resources?.vcpus,
    memoryMiB: file.resources?.memory_mb,
    security: securityOf(file, dirname(source.path)),
    commands:
      commands === undefined
        ? undefined
        : {
            allow: commands.allow ?? [],
            block: commands.block ?? [],
            allowlistOnly: commands.allowlist_only ?? false,
            source: source.path,
          },
    minIsolation: file.security?.min_isolation,
    minNetwork: file.security?.min_network,
    environment: Object.fromEntries(Object.entries(file.environment ?? {}).map(([name, value]) => [name, String(value)])),
    api: apiOf(file, dirname(source.path)),
    domains: {
      allow: file.security?.domains?.allow ?? [],
      block: file.security?.domains?.block ?? [],
      allowlistOnly: file.security?.domains?.allowlist_only,
    },
    publish: publishedPorts(file),
    gitRules: gitRules(file),
    // Trusted or not: a project does not say who is told about requests.
    hooks: source.kind === 'project' ? [] : proxyHooks(file),
    extraCa: file.network?.extra_ca ?? [],
    llm: llmOf(file, source.path),
    secrets: secretsOf(file, source),
    laterKeys: laterKeysOf(file, CONFIG_SHAPE.keys, ''),
  }
}

function imageOf(runtime: string | undefined): string | undefined {
  if (runtime === undefined) return undefined
  const images: Readonly<Record<string, string>> = RUNTIME_IMAGES
  return Object.hasOwn(images, runtime) ? images[runtime] : DEFAULT_IMAGE
}

const PROFILES_IN_FILES: Readonly<Record<NonNullable<NonNullable<ConfigFile['security']>['profile']>, ProfileName>> = {
  permissive: 'permissive',
  moderate: 'moderate',
  restrictive: 'restrictive',
  custom: 'moderate',
}

const MODES_IN_FILES: Readonly<Record<NonNullable<NonNullable<ConfigFile['agent']>['compatibility_mode']>, CompatibilityMode>> = {
  native: 'native',
  claude: 'claude',
  'claude-code': 'claude',
  codex: 'codex',
  gemini: 'gemini',
  amp: 'native',
  pi: 'native',
}

function securityOf(file: ConfigFile, dir: string): SecurityOverrides {
  const security = file.security ?? {}
  const mode = file.agent?.compatibility_mode
  return defined({
    profile: security.profile === undefined ? undefined : PROFILES_IN_FILES[security.profile],
    compatibilityMode: mode === undefined ? undefined : MODES_IN_FILES[mode],
    network: security.network,
    mountCwd: security.mount_cwd,
    mountHome: security.mount_home,
    passEnv: security.pass_env,
    readOnly: security.read_only,
    seccomp: security.seccomp === undefined ? undefined : seccompOf(security.seccomp, dir),
  })
}

function apiOf({ api }: ConfigFile, dir: string): ApiConfig {
  if (api === undefined) return {}
  const path = (file: string | undefined): string | undefined => (file === undefined ? undefined : resolve(dir, file))
  return defined({
    key: api.api_key === undefined ? undefined : new Secret(api.api_key),
    keyVariable: api.api_key_env,
    allowSudoExec: api.allow_sudo_exec,
    tls:
      api.tls === undefined
        ? undefined
        : defined({
            enabled: api.tls.enabled,
            certPath: path(api.tls.cert),
            keyPath: path(api.tls.key),
            required: api.tls.require_tls,
          }),
  })
}

/** A built-in keeps its name; everything else is a path, relative to the file that names it. */
function seccompOf(value: string, dir: string): string {
  return ['default', 'moderate', 'restrictive', 'ai-agent'].includes(value) ? value : resolve(dir, value)
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }

/** Leaves undefined fields out, so that laying one object over another keeps what the upper one does not say. */
export function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>
}

/** Dotted keys of the file that no release acts on yet. */
function laterKeysOf(value: object, keys: TableKeys, prefix: string): string[] {
  const found: string[] = []
  for (const [name, inner] of Object.entries(value)) {
    const key = keys[name]
    if (key === undefined) continue
    if (key.effect === 'later') found.push(prefix + name)
    else if (key.shape.kind === 'table') found.push(...laterKeysOf(inner as object, key.shape.keys, `${prefix}${name}.`))
  }
  return found
}
