import type { NetworkLevel, ProfileName } from '../contract/config.ts'
import { NETWORK_LEVELS } from '../contract/config.ts'
import { isolationAtLeast } from '../contract/isolation.ts'
import type { Isolation } from '../contract/isolation.ts'
import { isLoopback, parsePublishedPort } from '../contract/published-port.ts'
import type { ConfigFile } from '../contract/schemas/config-keys.ts'
import { isWithinPublic } from './network/within-public.ts'

/**
 * A project's own file may only narrow what the user allows. Whoever wrote a project can put a config file into it, so
 * until the user trusts that very text, keys that would widen are taken out here. What a key can do decides, not
 * whether it would change something today: a later feature must not find a file let through by an earlier release.
 */

/** What holds without the project's file. */
export interface NarrowContext {
  /** The profile of the user's config, or of its compatibility mode, or the default. */
  readonly profile: ProfileName
  /** The seccomp profile in force: a built-in name, or a path. */
  readonly seccomp: string
  readonly readOnly: boolean
  readonly minIsolation: Isolation
  readonly minNetwork: NetworkLevel
  /** The network that holds without the project's file, lists of domains left aside. */
  readonly network: NetworkLevel
  /** Most memory a project may give itself, in MiB. */
  readonly memoryMiB: number
  /** Most cores a project may give itself; undefined = all. */
  readonly vcpus: number | undefined
  /** True when the user's config lets only listed domains through. */
  readonly domainsListed: boolean
  /** True when a path, as written in the file, is outside of the project or leads there. */
  readonly leavesProject: (path: string) => boolean
}

export interface Narrowed {
  /** The file without what widens. */
  readonly config: ConfigFile
  /** Dotted keys that were taken out, in the order of the rules. */
  readonly inertKeys: readonly string[]
}

interface WideningRule {
  /** Dotted key. `section.*` stands for every key of the section, which are judged one by one. */
  readonly key: string
  /** When the key widens, or what it would do then; completes "inert if it …" on the reference page. */
  readonly why: string
  /** True when this value widens. For `each`, it is asked for every element of a list or entry of a map. */
  readonly widens: (value: unknown, context: NarrowContext, file: ConfigFile, name: string) => boolean
  /** Only the elements that widen are taken out. */
  readonly each?: true
}

const always = (): boolean => true
const isTrue = (value: unknown): boolean => value === true

export const WIDENING_RULES: readonly WideningRule[] = [
  {
    key: 'security.profile',
    why: 'is wider than yours',
    widens: (value, { profile }) => profileWidth(value) > profileWidth(profile),
  },
  { key: 'security.network', why: 'opens the network', widens: isTrue },
  { key: 'security.mount_cwd', why: 'gives the command your real files', widens: isTrue },
  { key: 'security.mount_home', why: 'shows files of your home', widens: isTrue },
  { key: 'security.pass_env', why: 'passes your environment', widens: isTrue },
  { key: 'security.read_only', why: 'takes a read-only root back', widens: (value, { readOnly }) => value === false && readOnly },
  {
    key: 'security.seccomp',
    why: 'is a file or weaker than yours',
    widens: (value, { seccomp }) => seccompWidth(value) > seccompWidth(seccomp) || isFile(value),
  },
  {
    key: 'security.min_isolation',
    why: 'accepts weaker isolation than you do',
    widens: (value, { minIsolation }) => !isolationAtLeast(value as Isolation, minIsolation),
  },
  {
    key: 'security.min_network',
    why: 'accepts more network than you do',
    widens: (value, { minNetwork }) => NETWORK_LEVELS.indexOf(value as NetworkLevel) > NETWORK_LEVELS.indexOf(minNetwork),
  },
  {
    key: 'security.domains.allow',
    why: 'adds hosts (see above)',
    each: true,
    widens: (rule, context, file) =>
      context.domainsListed ||
      context.network !== 'public' ||
      file.security?.domains?.allowlist_only !== true ||
      !isWithinPublic(String(rule)),
  },
  {
    key: 'security.domains.allowlist_only',
    why: 'takes your own list back',
    widens: (value, { domainsListed }) => value === false && domainsListed,
  },
  {
    key: 'security.transport.*',
    why: 'hands tokens to another server',
    widens: (value, _context, _file, name) => !(name === 'require_encrypted' ? value === true : name === 'ssh' && value === false),
  },
  {
    key: 'ssh.*',
    why: 'opens a door or hands tokens to another server',
    widens: (value, _context, _file, name) => name !== 'enabled' || value === true,
  },
  {
    key: 'agent.compatibility_mode',
    why: 'is not `native`: agents work on your real files',
    // The mode replaces the profile, so that even `native` (moderate) is wider than restrictive.
    widens: (value, { profile }) => !['native', 'amp', 'pi'].includes(String(value)) || profile === 'restrictive',
  },
  {
    key: 'resources.memory_mb',
    why: 'is above yours, or above 4096 where you set none',
    widens: (value, { memoryMiB }) => Number(value) > memoryMiB,
  },
  { key: 'resources.vcpus', why: 'is above yours', widens: (value, { vcpus }) => vcpus !== undefined && Number(value) > vcpus },
  {
    key: 'build.dockerfile',
    why: 'reads a file outside of the project',
    widens: (value, { leavesProject }) => leavesProject(String(value)),
  },
  { key: 'build.context', why: 'reads files outside of the project', widens: (value, { leavesProject }) => leavesProject(String(value)) },
  {
    key: 'files',
    why: 'copies from outside of the project',
    each: true,
    widens: (value, { leavesProject }) => leavesProject((value as { readonly source: string }).source),
  },
  { key: 'volumes', why: 'shares storage with other sandboxes', widens: isFilled },
  { key: 'network.ports', why: 'listens beyond this machine', each: true, widens: (value) => !isLoopbackPort(String(value)) },
  {
    key: 'ports',
    why: 'listens beyond this machine',
    each: true,
    widens: (value, _context, _file, name) => !isLoopbackPort(`${name}:${String(value)}`),
  },
  { key: 'network.git', why: 'lets more be pushed', widens: isFilled },
  { key: 'network.extra_ca', why: 'trusts further authorities', widens: isFilled },
  { key: 'network.vsock_cid', why: 'claims an address of the whole machine', widens: always },
  { key: 'secrets', why: 'uses your secrets', widens: isFilled },
  { key: 'secret_files', why: 'uses your secrets', widens: isFilled },
  { key: 'llm.hosts', why: 'opens the TLS of further hosts', widens: isFilled },
  { key: 'llm_keys', why: 'uses your keys', widens: isFilled },
  { key: 'proxy.hooks', why: 'sends traffic records elsewhere', widens: isFilled },
  { key: 'schedule', why: 'starts work by itself', widens: isFilled },
  { key: 'api.*', why: 'configures the server', widens: always },
  { key: 'orchestrator.*', why: 'runs on other machines', widens: always },
  { key: 'enterprise.*', why: 'changes whose policy counts', widens: always },
  { key: 'permissions', why: 'grants permissions', widens: isFilled },
  { key: 'git.*', why: 'writes to your repository', widens: (value) => value !== false },
  { key: 'remote', why: 'runs on other machines', widens: isFilled },
  { key: 'scheduling', why: 'starts work by itself', widens: isFilled },
  { key: 'llm_governance', why: 'changes whose limits count', widens: isFilled },
]

/** Takes out of a checked project file everything that would widen. Pure but for what `leavesProject` looks up. */
export function narrow(file: ConfigFile, context: NarrowContext): Narrowed {
  const inertKeys: string[] = []
  let config: Tree = file
  for (const rule of WIDENING_RULES) {
    const path = rule.key.replace(/\.\*$/, '').split('.')
    const isSection = rule.key.endsWith('.*')
    const value = path.reduce<unknown>((at, part) => (isTree(at) ? at[part] : undefined), file)
    if (value === undefined) continue
    if (isSection || rule.each) {
      const { rest, taken } = without(value, (entry, name) => rule.widens(entry, context, file, name))
      if (taken.length === 0) continue
      inertKeys.push(...(isSection ? taken.map((name) => `${path.join('.')}.${name}`) : [rule.key]))
      config = replaced(config, path, rest)
    } else if (rule.widens(value, context, file, rule.key)) {
      inertKeys.push(rule.key)
      config = replaced(config, path, undefined)
    }
  }
  return { config, inertKeys }
}

type Tree = Readonly<Record<string, unknown>>

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Splits a list or a table into the entries that stay and the names (or positions) of those that do not. */
function without(
  value: unknown,
  widens: (entry: unknown, name: string) => boolean,
): { readonly rest: unknown; readonly taken: readonly string[] } {
  const taken: string[] = []
  const stays = ([name, entry]: [string, unknown]): boolean => {
    if (!widens(entry, name)) return true
    taken.push(name)
    return false
  }
  const kept = Object.entries(value as object).filter(stays)
  return { rest: Array.isArray(value) ? kept.map(([, entry]) => entry) : Object.fromEntries(kept), taken }
}

/** A copy of `tree` with one place replaced, or left out for undefined. Everything else is shared. */
function replaced(tree: Tree, path: readonly string[], value: unknown): Tree {
  const [name, ...rest] = path
  if (name === undefined) return tree
  const inner = rest.length === 0 ? value : replaced(isTree(tree[name]) ? tree[name] : {}, rest, value)
  return Object.fromEntries([
    ...Object.entries(tree).filter(([key]) => key !== name),
    ...(inner === undefined ? [] : [[name, inner] as const]),
  ])
}

function isFilled(value: unknown): boolean {
  return !(typeof value === 'object' && value !== null && Object.keys(value).length === 0)
}

/** `custom` means the values of `moderate`. */
function profileWidth(profile: unknown): number {
  return ['restrictive', 'moderate', 'permissive'].indexOf(profile === 'custom' ? 'moderate' : String(profile))
}

const BUILT_IN_SECCOMP = ['restrictive', 'ai-agent', 'moderate', 'default']

/** A file ranks below every built-in here: against a user's own file nothing of a project's can be called narrower. */
function seccompWidth(name: unknown): number {
  return BUILT_IN_SECCOMP.indexOf(String(name))
}

function isFile(seccomp: unknown): boolean {
  return !BUILT_IN_SECCOMP.includes(String(seccomp))
}

/** What cannot be read is taken to listen everywhere. */
function isLoopbackPort(text: string): boolean {
  const port = parsePublishedPort(text)
  return !('problem' in port) && isLoopback(port)
}
