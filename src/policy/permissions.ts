import type { CompatibilityMode, NetworkLevel, ProfileName, ResolvedConfig, WorkspaceMode } from '../contract/config.ts'
import { WORKSPACE_MODES } from '../contract/config.ts'
import { AppError } from '../contract/errors.ts'
import type { Permissions } from '../contract/permissions.ts'
import { MIN_MEMORY_BYTES, type RunRequest } from '../contract/run.ts'
import { formatByteSize } from '../lib/byte-size.ts'
import { COMPATIBILITY } from './compatibility.ts'
import { resolveNetwork } from './permissions-network.ts'
import { DEFAULT_PROFILE, PROFILES, sharedKernelLimits, sharedKernelTmp } from './profiles.ts'

/** What the machine has; passed in so that decisions can be tested. */
export interface Machine {
  readonly totalMemoryBytes: number
  readonly cores: number
}

export interface ResolvedPermissions {
  readonly permissions: Permissions
  /** For each permission a short phrase that says who decided: `flag --memory`, `profile moderate`. */
  readonly sources: Readonly<Record<keyof Permissions, string>>
}

/** A value and who decided it. */
interface Decided<T> {
  readonly value: T
  readonly source: string
}

/**
 * Works out what a run may do. A flag wins over the config, the config over the compatibility mode, the mode over the
 * profile. A profile named by flag is the user's last word for this run: it sets the compatibility mode aside, and the
 * config may then only narrow it.
 *
 * Errors: `invalid_argument` (memory or cpus out of bounds, a network rule), `config_invalid` (the same, from a file),
 * `policy_denied` (more network than `min_network`).
 */
export async function resolvePermissions(request: RunRequest, config: ResolvedConfig, machine: Machine): Promise<ResolvedPermissions> {
  const decided = await decide(request, config, machine)
  const permissions: Permissions = {
    profile: decided.profile.value,
    network: decided.network.value,
    networkRules: decided.networkRules.value,
    workspace: decided.workspace.value,
    mountHome: decided.mountHome.value,
    passEnv: decided.passEnv.value,
    readOnlyRoot: decided.readOnlyRoot.value,
    seccomp: decided.seccomp.value,
    memoryBytes: decided.memoryBytes.value,
    cpus: decided.cpus.value,
    pids: decided.pids.value,
    tmpBytes: decided.tmpBytes.value,
    tmpExec: decided.tmpExec.value,
  }
  const entries = Object.entries(decided).map(([key, { source }]) => [key, source])
  // The record has exactly the keys of `decided`, which its type makes those of Permissions.
  const sources = Object.fromEntries(entries) as Record<keyof Permissions, string>
  return { permissions, sources }
}

type DecidedPermissions = { readonly [K in keyof Permissions]: Decided<Permissions[K]> }

async function decide(request: RunRequest, config: ResolvedConfig, machine: Machine): Promise<DecidedPermissions> {
  const base = baseOf(request, config)
  const network = await resolveNetwork({ implied: base.network, fixed: base.fixed, mode: base.mode }, request, config)
  const profile = base.profile.value
  const source = `profile ${profile}`
  const memoryBytes = resolveMemory(base, request, config, machine)
  const tmp = sharedKernelTmp(profile, memoryBytes.value)
  return {
    ...resolveAccess(base, request, config),
    profile: base.profile,
    network: { value: network.level, source: network.source },
    networkRules: { value: network.rules, source: network.source },
    memoryBytes,
    cpus: resolveCpus(base, request, config, machine),
    pids: { value: sharedKernelLimits(profile, machine.totalMemoryBytes).pids, source },
    tmpBytes: { value: tmp.tmpBytes, source: memoryBytes.source === source ? source : `${source}, ${memoryBytes.source}` },
    tmpExec: { value: tmp.tmpExec, source },
  }
}

/** The profile, with the compatibility mode's own values laid over it. */
interface Base {
  readonly profile: Decided<ProfileName>
  /** True when a flag named the profile, so that the config may only narrow. */
  readonly fixed: boolean
  readonly mode: CompatibilityMode | undefined
  readonly network: Decided<NetworkLevel>
  readonly workspace: Decided<WorkspaceMode>
  readonly seccomp: Decided<string>
}

function baseOf(request: RunRequest, config: ResolvedConfig): Base {
  const { security } = config
  const mode = request.profile === undefined ? security.compatibilityMode : undefined
  const needs = mode === undefined ? undefined : COMPATIBILITY[mode]
  const profile = profileOf(request, config)
  const values = PROFILES[profile.value]
  const fromProfile = `profile ${profile.value}`
  const fromMode = `compatibility mode ${mode}`
  return {
    profile,
    fixed: request.profile !== undefined,
    mode,
    network: over({ value: values.network, source: fromProfile }, needs?.network, fromMode),
    workspace: over({ value: values.workspace, source: fromProfile }, needs?.workspace, fromMode),
    seccomp: over({ value: values.seccomp, source: fromProfile }, needs?.seccomp, fromMode),
  }
}

function profileOf(request: RunRequest, { security }: ResolvedConfig): Decided<ProfileName> {
  if (request.profile !== undefined) return { value: request.profile, source: 'flag --profile' }
  if (security.compatibilityMode !== undefined) {
    return { value: COMPATIBILITY[security.compatibilityMode].profile, source: `compatibility mode ${security.compatibilityMode}` }
  }
  if (security.profile !== undefined) return { value: security.profile, source: 'config security.profile' }
  return { value: DEFAULT_PROFILE, source: 'default' }
}

/** `value` where it is given, else `below`. */
function over<T>(below: Decided<T>, value: T | undefined, source: string): Decided<T> {
  return value === undefined ? below : { value, source }
}

/** Like `over`, for the config: a fixed profile is left alone unless `value` ranks below it. */
function overNarrowing<T>(below: Decided<T>, value: T | undefined, source: string, fixed: boolean, rank: (value: T) => number): Decided<T> {
  if (value === undefined || (fixed && rank(value) > rank(below.value))) return below
  return { value, source }
}

type Access = { readonly [K in 'workspace' | 'mountHome' | 'passEnv' | 'readOnlyRoot' | 'seccomp']: Decided<Permissions[K]> }

function resolveAccess(base: Base, request: RunRequest, { security }: ResolvedConfig): Access {
  const { fixed } = base
  const profile = PROFILES[base.profile.value]
  const source = `profile ${base.profile.value}`
  const flag = (value: boolean): number => Number(value)
  const workspace = overNarrowing(
    base.workspace,
    workspaceOf(security.mountCwd, base.workspace.value),
    'config security.mount_cwd',
    fixed,
    (mode) => WORKSPACE_MODES.indexOf(mode),
  )
  return {
    workspace: over(workspace, request.workspace, 'flag --workspace'),
    mountHome: overNarrowing({ value: profile.mountHome, source }, security.mountHome, 'config security.mount_home', fixed, flag),
    passEnv: overNarrowing({ value: profile.passEnv, source }, security.passEnv, 'config security.pass_env', fixed, flag),
    readOnlyRoot: overNarrowing(
      { value: profile.readOnlyRoot, source },
      security.readOnly,
      'config security.read_only',
      fixed,
      (value) => -Number(value),
    ),
    seccomp: overNarrowing(base.seccomp, security.seccomp, 'config security.seccomp', fixed, seccompRank),
  }
}

/** `mount_cwd = true` asks for the real files; `false` takes only the real files away, a private copy stays. */
function workspaceOf(mountCwd: boolean | undefined, below: WorkspaceMode): WorkspaceMode | undefined {
  if (mountCwd === undefined) return undefined
  if (mountCwd) return 'mount'
  return below === 'mount' ? 'copy' : undefined
}

/** Built-in seccomp profiles from narrow to wide. A file could allow anything, so it ranks widest. */
function seccompRank(name: string): number {
  const order = ['restrictive', 'ai-agent', 'moderate', 'default']
  const index = order.indexOf(name)
  return index === -1 ? order.length : index
}

function resolveMemory(base: Base, request: RunRequest, config: ResolvedConfig, machine: Machine): Decided<number> {
  const profile = base.profile.value
  const below = { value: sharedKernelLimits(profile, machine.totalMemoryBytes).memoryBytes, source: `profile ${profile}` }
  const { memoryMiB } = config
  if (request.memoryBytes !== undefined) {
    return { value: checkMemory(request.memoryBytes, 'flag --memory', machine), source: 'flag --memory' }
  }
  if (memoryMiB === undefined) return below
  const source = 'config resources.memory_mb'
  return overNarrowing(below, checkMemory(memoryMiB * 1024 ** 2, source, machine), source, base.fixed, (bytes) => bytes)
}

function checkMemory(bytes: number, source: string, { totalMemoryBytes }: Machine): number {
  if (Number.isSafeInteger(bytes) && bytes >= MIN_MEMORY_BYTES && bytes <= totalMemoryBytes) return bytes
  const why = bytes > totalMemoryBytes ? 'more memory than this machine has' : 'too little memory for any command'
  const bounds = `${formatByteSize(MIN_MEMORY_BYTES)} to ${formatByteSize(totalMemoryBytes)}`
  throw outOfBounds(source, `${formatByteSize(bytes)} is ${why} (allowed: ${bounds})`)
}

/** A refusal that names who asked: a flag is a wrong argument, a file is a wrong file. */
function outOfBounds(source: string, why: string): AppError {
  return new AppError(source.startsWith('flag') ? 'invalid_argument' : 'config_invalid', `${source}: ${why}`)
}

function resolveCpus(base: Base, request: RunRequest, config: ResolvedConfig, machine: Machine): Decided<number | undefined> {
  const profile = base.profile.value
  const { cores } = machine
  const below = { value: sharedKernelLimits(profile, machine.totalMemoryBytes).cpus, source: `profile ${profile}` }
  if (request.cpus !== undefined) {
    const source = 'flag --cpus'
    if (request.cpus > 0 && request.cpus <= cores) return { value: request.cpus, source }
    throw outOfBounds(source, `${request.cpus} is not above 0 and at most ${cores}, the cores of this machine`)
  }
  if (config.vcpus === undefined) return below
  const source = 'config resources.vcpus'
  if (!(config.vcpus > 0)) throw outOfBounds(source, `${config.vcpus} is not above 0`)
  // A file is shared between machines of different sizes, so more cores than there are means all of them.
  const asked = Math.min(config.vcpus, cores)
  return overNarrowing<number | undefined>(below, asked, source, base.fixed, (value) => value ?? cores)
}
