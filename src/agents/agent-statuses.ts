import type { AgentStatus } from '../contract/reports.ts'
import type { Agent } from './agent.ts'
import { findIn, trustedEntries } from './find-on-path.ts'
import { AGENTS } from './registry.ts'
import { type RunVersion, runVersion } from './run-version.ts'

export interface AgentStatusesInput {
  /** The caller's environment: says which keys are set, and the agents' programs get it without their keys. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** Directories to search, separated by `:`. */
  readonly path: string
  /** The project the caller stands in, absolute and without symlinks: no program of it is started. Undefined: in none. */
  readonly project?: string | undefined
  /** Starts a program. @default runVersion */
  readonly run?: RunVersion
  /** Time for one program to answer, in ms. @default 2000 */
  readonly limitMs?: number
  /** Ends all programs and the wait early; what has not answered counts as not installed. */
  readonly signal?: AbortSignal
}

/**
 * Every agent of the registry, in its order: whether its program on PATH answers `--version` with status 0 in time, and
 * whether one of its keys is set. All programs are asked at once. They are the host's own and run unsandboxed. Never fails.
 */
export async function agentStatuses(input: AgentStatusesInput): Promise<readonly AgentStatus[]> {
  const entries = await trustedEntries(input.path, input.project)
  // Agents are often scripts that find their interpreter on PATH.
  const env = { ...withoutKeys(input), PATH: entries.join(':') }
  const asked = { ...input, env, entries }
  return Promise.all(AGENTS.map(async (agent) => ({ ...describeAgent(agent, input.env), ...(await probe(agent, asked)) })))
}

function describeAgent(agent: Agent, env: AgentStatusesInput['env']): Omit<AgentStatus, 'installed'> {
  const { name, title, keyVariables, installHint } = agent
  return { name, title, keySet: keyVariables.some((key) => (env[key] ?? '').trim() !== ''), keyVariables, installHint }
}

async function probe(
  agent: Agent,
  input: AgentStatusesInput & { readonly env: Readonly<Record<string, string>>; readonly entries: readonly string[] },
): Promise<Pick<AgentStatus, 'installed' | 'version'>> {
  const file = await findIn(input.entries, agent.binary, input.project)
  if (file === undefined) return { installed: false }
  const limit = AbortSignal.timeout(input.limitMs ?? 2000)
  const signal = input.signal === undefined ? limit : AbortSignal.any([limit, input.signal])
  const { exitCode, output } = await (input.run ?? runVersion)(file, input.env, signal)
  if (exitCode !== 0) return { installed: false }
  const version = parseVersion(output)
  return version === undefined ? { installed: true } : { installed: true, version }
}

/** `--version` needs no key, so none is handed out. */
function withoutKeys({ env }: AgentStatusesInput): Record<string, string> {
  const keys = new Set(AGENTS.flatMap((agent) => agent.keyVariables))
  const kept: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) if (value !== undefined && !keys.has(name)) kept[name] = value
  return kept
}

/** The first thing that looks like a version; only letters, digits, dots, `+` and `-`, so it is safe to print. */
function parseVersion(output: string): string | undefined {
  return /\d{1,9}\.\d{1,9}[0-9A-Za-z.+-]{0,40}/.exec(output)?.[0].replace(/[.+-]+$/, '')
}
