import type { ResolvedConfig } from '../../contract/config.ts'
import { AppError } from '../../contract/errors.ts'
import { asksForMetering, NO_LLM_SETTINGS } from '../../contract/llm.ts'
import type { PublishedPort } from '../../contract/network.ts'
import { eachOnce, farPortNotices, formatPublishedPort, isLoopback, parsePublishedPort } from '../../contract/published-port.ts'
import type { Permissions } from '../../contract/permissions.ts'
import type { RunRequest } from '../../contract/run.ts'
import type { Caller } from '../../contract/sandbox-operations.ts'
import type { CreateRequest } from '../../contract/sandboxes.ts'
import type { SecretBinding, Vault } from '../../contract/secrets.ts'
import type { Driver } from '../../drivers/driver.ts'
import type { Secret } from '../../lib/secret.ts'
import { parseTtlSeconds } from '../../lib/ttl.ts'
import { checkIsolation } from '../../policy/isolation.ts'
import { type Machine, type ResolvedPermissions, resolvePermissions } from '../../policy/permissions.ts'
import type { SandboxRecord } from '../../store/sandboxes/store.ts'
import type { WorkspaceChoice } from '../workspace/describe.ts'
import { gitRulesOf } from '../network/git-rules.ts'
import { noticesAbout } from '../notices.ts'
import { savedOf, type SavedSpec } from './saved.ts'
import { findSecrets, wantedSecrets } from '../network/run-secrets.ts'
import { secretFolder, secretsOfRequest } from './sandbox-secrets.ts'
import { parseVariables } from './variables.ts'

export interface DescribeDeps {
  readonly loadConfig: (request: Pick<RunRequest, 'cwd' | 'configPath'>) => Promise<ResolvedConfig>
  readonly describeWorkspace: (mode: 'none' | 'copy' | 'mount', cwd: string | undefined, signal: AbortSignal) => Promise<WorkspaceChoice>
  readonly machine: Machine
  readonly now: () => Date
  /** True the first time it is asked about a key, for this user; a scope makes it once per project. */
  readonly firstTime: (key: string, scope?: string) => boolean
  readonly newId: () => string
  /** Errors: `config_invalid`, `vault_locked`. */
  readonly vault: () => Promise<Vault>
  /** True where keys or budgets of language models exist. Cheap. */
  readonly mayMeter: () => boolean
}

const MIB = 1024 ** 2
/** What a sandbox asked for over the network gets unless the request says otherwise. */
const HTTP_DEFAULT_MEMORY_BYTES = 512 * MIB
const HTTP_DEFAULT_CPUS = 1

export interface Described {
  readonly record: SandboxRecord
  readonly warnings: readonly string[]
  /** Values that came with the request, by their name in the vault: to be put there when the record is in the store. */
  readonly values: ReadonlyMap<string, Secret>
}

/**
 * Decides everything about a sandbox that stays, from the request and the configuration: the same decisions, by the same code, as for
 * a single run. Errors: `api_key_required`, `policy_denied`, `isolation_too_weak`, `invalid_argument`, `config_invalid`, `not_available_yet`.
 */
export async function describeRequest(
  deps: DescribeDeps,
  driver: Driver,
  request: CreateRequest,
  caller: Caller,
  signal: AbortSignal,
): Promise<Described> {
  // The door has looked at the members of a request, but not into the text of one that is imported.
  if (request.profile === 'permissive' && !caller.authenticated) {
    throw new AppError('api_key_required', 'the profile `permissive` needs an API key')
  }
  const published = (request.ports ?? []).map(publishedPort)
  if (!caller.authenticated && published.some((port) => !isLoopback(port))) {
    throw new AppError('api_key_required', '`ports` beyond this machine need an API key')
  }
  if ((request.allow ?? []).length > 0 && !caller.authenticated) throw new AppError('api_key_required', '`allow` needs an API key')
  const asked = secretsOfRequest(request)
  if (asked !== undefined && !caller.authenticated) throw new AppError('api_key_required', 'secrets need an API key')
  const id = deps.newId()
  const asRun = runRequestOf(request, caller)
  const config = await deps.loadConfig(asRun)
  const wanted = await wantedSecrets(asked, config)
  const secretHosts = wanted === undefined || wanted.hosts.length === 0 ? {} : { secretHosts: wanted.hosts }
  const resolved = await resolvePermissions({ ...asRun, ...secretHosts }, config, deps.machine)
  if (driver.facts.egress === 'none' && resolved.permissions.network !== 'none') {
    throw new AppError('not_available_yet', `backend "${driver.name}" cannot give a sandbox a network`)
  }
  // The daemon has no environment of its own: whoever asks sends along what is only in theirs.
  const secrets =
    wanted === undefined ? undefined : await findSecrets(wanted, { vault: await deps.vault(), env: {}, cwd: undefined, sandboxId: id })
  const tooWeak = checkIsolation({ name: driver.name, isolation: driver.facts.isolation }, config.minIsolation)
  if (tooWeak !== undefined) throw tooWeak
  const mode = resolved.permissions.workspace === 'none' || request.dir === undefined ? 'none' : 'copy'
  const workspace = await deps.describeWorkspace(mode, request.dir, signal)
  const record = recordOf(deps, driver, request, { id, config, resolved, workspace, bindings: secrets?.bindings ?? [] })
  return {
    record,
    values: secrets?.values ?? new Map(),
    warnings: [
      ...noticesAbout(deps.firstTime, { config, resolved, workspace, cwd: request.dir ?? '' }, request.dir !== undefined),
      ...unshared(resolved),
      ...(secrets?.notices ?? []),
      ...farPortNotices(savedOf(record).network?.publish ?? []),
    ],
  }
}

function runRequestOf(request: CreateRequest, caller: Caller): RunRequest {
  if (request.image !== undefined && request.image !== 'host') {
    throw new AppError('not_available_yet', `the image "${request.image}" cannot be used yet; the only image is "host"`)
  }
  const overHttp = caller.door === 'http'
  const memoryBytes = request.memory_mb === undefined ? (overHttp ? HTTP_DEFAULT_MEMORY_BYTES : undefined) : request.memory_mb * MIB
  const cpus = request.vcpus ?? (overHttp ? HTTP_DEFAULT_CPUS : undefined)
  return {
    command: ['sh'],
    cwd: request.dir,
    env: {},
    callerEnv: {},
    ...(request.config_path === undefined ? {} : { configPath: request.config_path }),
    ...(request.profile === undefined ? {} : { profile: request.profile }),
    ...(request.backend === undefined ? {} : { backend: request.backend }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(cpus === undefined ? {} : { cpus }),
    ...(request.workspace === undefined ? {} : { workspace: request.workspace }),
    ...(request.network === undefined ? {} : { network: request.network }),
    ...(request.allow === undefined ? {} : { allow: request.allow }),
    ...(request.block === undefined ? {} : { block: request.block }),
  }
}

/** What was decided about a request. */
interface Decided {
  readonly config: ResolvedConfig
  readonly resolved: ResolvedPermissions
  readonly workspace: WorkspaceChoice
  readonly id: string
  readonly bindings: readonly SecretBinding[]
}

function recordOf(deps: DescribeDeps, driver: Driver, request: CreateRequest, decided: Decided): SandboxRecord {
  const { id, config, resolved, workspace, bindings } = decided
  const now = deps.now()
  const permissions = { ...resolved.permissions, workspace: workspace.view === undefined ? ('none' as const) : ('copy' as const) }
  const publish = eachOnce([...config.publish, ...(request.ports ?? []).map(publishedPort)])
  const saved: SavedSpec = {
    spec: {
      id,
      name: request.name,
      image: 'host',
      workspace: workspace.view,
      permissions,
      callerPath: request.caller_path ?? '',
      ...(hasNetwork(permissions, request) ? { network: { files: [], env: {} } } : {}),
      ...(publish.length === 0 ? {} : { inbound: true }),
    },
    commands: config.commands,
    cwd: workspace.cwdInside,
    network: {
      publish,
      secrets: bindings,
      opens: asksForMetering(config.llm ?? NO_LLM_SETTINGS) || deps.mayMeter(),
      widest: config.minNetwork,
      ...(config.llm === undefined ? {} : { llm: config.llm }),
      gitRules: gitRulesOf(config, request.git_push),
      ...(config.extraCa === undefined ? {} : { extraCa: config.extraCa }),
    },
  }
  return {
    id,
    name: request.name,
    state: 'creating',
    failure: null,
    backend: driver.name,
    spec: JSON.stringify(saved),
    handle: null,
    step: null,
    labels: request.labels ?? {},
    description: request.description ?? null,
    agent: request.agent ?? null,
    project: workspace.view?.hostPath ?? null,
    ports: publish.map(formatPublishedPort),
    environment: { ...secretFolder(bindings), ...config.environment, ...parseVariables(request.env ?? []) },
    lifecycle: request.lifecycle ?? null,
    createdAt: now.toISOString(),
    expiresAt: expiry(request.ttl, now),
    lastActivityAt: now.toISOString(),
    startedAt: null,
    archivedAt: null,
    archivedReason: null,
  }
}

/** With `listed` and nothing on the list nothing can be reached, but single commands may have rules of their own. */
function hasNetwork(permissions: Permissions, request: CreateRequest): boolean {
  return permissions.network !== 'none' || request.network === 'listed'
}

/** Errors: `invalid_argument`. */
function publishedPort(text: string): PublishedPort {
  const port = parsePublishedPort(text)
  if ('problem' in port) throw new AppError('invalid_argument', `"${text.slice(0, 60)}": ${port.problem}`)
  return port
}

function unshared({ permissions }: ResolvedPermissions): string[] {
  if (permissions.workspace !== 'mount') return []
  return ['the project was copied: a sandbox that stays never shares the live files; move changes with `agentkernel sandbox cp`.']
}

/** Null = never. Errors: `invalid_argument`. */
export function expiry(ttl: string | undefined, from: Date): string | null {
  const seconds = ttl === undefined ? 0 : parseTtl(ttl)
  return seconds === 0 ? null : new Date(from.getTime() + seconds * 1000).toISOString()
}

/** Errors: `invalid_argument`. */
export function parseTtl(text: string): number {
  const seconds = parseTtlSeconds(text)
  if (seconds !== undefined) return seconds
  throw new AppError(
    'invalid_argument',
    `"${text.slice(0, 40)}" is not a time to live; write a number and s, m, h or d, as in 30m, or 0 for none`,
  )
}
