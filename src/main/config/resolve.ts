import { realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import type { ApiConfig, NetworkLevel, ResolvedConfig, SecurityOverrides } from '../../contract/config.ts'
import { NETWORK_LEVELS } from '../../contract/config.ts'
import type { ConfigFile } from '../../contract/schemas/config-keys.ts'
import { RUNTIME_IMAGES } from '../../images/detect/runtime-images.ts'
import { nearest } from '../../lib/nearest.ts'
import { COMPATIBILITY } from '../../policy/compatibility.ts'
import { narrow } from '../../policy/narrow.ts'
import type { NarrowContext } from '../../policy/narrow.ts'
import { DEFAULT_PROFILE, PROFILES } from '../../policy/profiles.ts'
import { createLeaveCheck } from './inside.ts'
import { defined, toLayer } from './layer.ts'
import type { Layer } from './layer.ts'
import { checkNetworkKeys } from './network-keys.ts'
import { mergeSecrets } from './secret-keys.ts'
import { mergeLlm } from './llm-keys.ts'
import { parseConfig } from './parse.ts'
import type { ParsedConfig } from './parse.ts'
import type { ConfigText } from './read-file.ts'

/** A config file that was found and read. */
export interface FoundFile {
  readonly kind: 'user' | 'project' | 'explicit'
  /** Absolute, as it was found. */
  readonly path: string
  /** How messages name it. */
  readonly shownAs: string
  readonly content: ConfigText
  readonly trusted: boolean
}

/** The most memory a project gives itself where the user's config sets no limit: the most that the defaults give. */
const PROJECT_MEMORY_MIB = 4096

/**
 * Parses, checks, narrows and merges config files, given from the lowest layer to the highest. Without a
 * `projectRoot` a project's file may name files of its own folder. Errors: `config_invalid`.
 */
export function resolveFiles(files: readonly FoundFile[], projectRoot: string | undefined): ResolvedConfig {
  const layers: Layer[] = []
  const warnings: string[] = []
  const inertKeys: string[] = []
  for (const file of files) {
    const parsed = parseConfig(file.content.text, file.shownAs)
    checkNetworkKeys(parsed, file.shownAs)
    const below = mergeLayers(layers)
    const narrowed = file.trusted
      ? { config: parsed.file, inertKeys: [] }
      : narrow(parsed.file, narrowContext(below, file.content.realPath, projectRoot))
    inertKeys.push(...narrowed.inertKeys)
    layers.push(toLayer(narrowed.config, { path: file.path, kind: file.kind, trusted: file.trusted, sha256: file.content.sha256 }))
    warnings.push(...parsed.warnings, ...oddities(narrowed.config, parsed, file.shownAs, { network: mergeLayers(layers).security.network }))
  }
  return {
    ...mergeLayers(layers),
    sources: layers.map(({ source }) => source),
    warnings,
    inertKeys,
    laterKeys: [...new Set(layers.flatMap(({ laterKeys }) => laterKeys))],
  }
}

type Merged = Omit<ResolvedConfig, 'sources' | 'warnings' | 'inertKeys' | 'laterKeys'>

/** Later layers win; command rules, lists of domains and ports add up. */
function mergeLayers(layers: readonly Layer[]): Merged {
  const last = <K extends 'sandboxName' | 'image' | 'vcpus' | 'memoryMiB' | 'minIsolation' | 'minNetwork'>(key: K): Layer[K] | undefined =>
    layers.findLast((layer) => layer[key] !== undefined)?.[key]
  return {
    ...defined({ sandboxName: last('sandboxName'), image: last('image'), vcpus: last('vcpus'), memoryMiB: last('memoryMiB') }),
    security: Object.assign({}, ...layers.map(({ security }) => security)) as SecurityOverrides,
    commands: layers.flatMap(({ commands }) => commands ?? []),
    // An untrusted layer holds only what is stricter than the layers below it: `narrow` has seen to that.
    minIsolation: last('minIsolation') ?? 'process',
    minNetwork: last('minNetwork') ?? 'public',
    domains: {
      allow: layers.flatMap(({ domains }) => domains.allow),
      block: layers.flatMap(({ domains }) => domains.block),
      allowlistOnly: layers.findLast(({ domains }) => domains.allowlistOnly !== undefined)?.domains.allowlistOnly ?? false,
    },
    publish: layers.flatMap(({ publish }) => publish),
    extraCa: layers.flatMap(({ extraCa }) => extraCa),
    ...filled(
      'gitRules',
      layers.flatMap(({ gitRules }) => gitRules),
    ),
    ...filled(
      'hooks',
      layers.flatMap(({ hooks }) => hooks),
    ),
    environment: Object.fromEntries(layers.flatMap(({ environment }) => Object.entries(environment))),
    api: Object.assign({}, ...layers.map(({ api }) => api)) as ApiConfig,
    llm: mergeLlm(layers.map(({ llm }) => llm)),
    secrets: mergeSecrets(layers.map(({ secrets }) => secrets)),
  }
}

/** A list that is absent when it is empty. */
function filled<K extends 'gitRules' | 'hooks', T>(key: K, list: readonly T[]): { readonly [P in K]?: readonly T[] } {
  // The cast is true because a computed key of type K gives exactly this record.
  return list.length === 0 ? {} : ({ [key]: list } as unknown as { readonly [P in K]?: readonly T[] })
}

/** What the layers below allow, for a project's file at `realPath`. */
function narrowContext(below: Merged, realPath: string, projectRoot: string | undefined): NarrowContext {
  const { security } = below
  const mode = security.compatibilityMode === undefined ? undefined : COMPATIBILITY[security.compatibilityMode]
  const profile = mode?.profile ?? security.profile ?? DEFAULT_PROFILE
  const dir = dirname(realPath)
  return {
    profile,
    seccomp: security.seccomp ?? mode?.seccomp ?? PROFILES[profile].seccomp,
    readOnly: security.readOnly ?? PROFILES[profile].readOnlyRoot,
    minIsolation: below.minIsolation,
    minNetwork: below.minNetwork,
    memoryMiB: below.memoryMiB ?? PROJECT_MEMORY_MIB,
    vcpus: below.vcpus,
    domainsListed: below.domains.allowlistOnly,
    network: impliedNetwork(below, mode?.network ?? PROFILES[profile].network),
    leavesProject: createLeaveCheck(dir, projectRoot === undefined ? dir : realpathSync(projectRoot)),
  }
}

/** What holds for the network without a list of domains. */
function impliedNetwork({ security, minNetwork }: Merged, byProfile: NetworkLevel): NetworkLevel {
  const level = security.network === undefined ? byProfile : security.network ? 'public' : 'none'
  return NETWORK_LEVELS.indexOf(level) < NETWORK_LEVELS.indexOf(minNetwork) ? level : minNetwork
}

/** Sentences about values that are valid but do nothing. `below` holds without the file. */
function oddities(file: ConfigFile, { locate }: ParsedConfig, shownAs: string, below: { readonly network: boolean | undefined }): string[] {
  const found: string[] = []
  const tell = (path: readonly string[], problem: string): void =>
    void found.push(`${shownAs}:${locate(path)}: ${path.join('.')}${problem}`)
  const { domains } = file.security ?? {}
  const mode = file.agent?.compatibility_mode
  const runtime = file.sandbox?.runtime
  if (runtime !== undefined && !Object.hasOwn(RUNTIME_IMAGES, runtime)) {
    const guess = nearest(runtime, Object.keys(RUNTIME_IMAGES))
    tell(
      ['sandbox', 'runtime'],
      `: there is no runtime "${runtime.slice(0, 40)}"${guess === undefined ? '' : `; did you mean "${guess}"?`}`,
    )
  }
  if (mode === 'amp' || mode === 'pi') tell(['agent', 'compatibility_mode'], `: "${mode}" has no preset of its own; "native" is used`)
  if (domains !== undefined && below.network === false) tell(['security', 'domains'], ' has no effect: the network is off')
  const both = domains?.allow?.filter((domain) => domains.block?.includes(domain)) ?? []
  if (both.length > 0)
    tell(
      ['security', 'domains'],
      `: ${both.length === 1 ? 'one domain is' : `${both.length} domains are`} both allowed and blocked; blocked wins`,
    )
  return found
}
