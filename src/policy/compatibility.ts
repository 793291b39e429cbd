import type { CompatibilityMode, ProfileName, WorkspaceMode } from '../contract/config.ts'
import type { EcosystemName } from './ecosystems.ts'

/** What one coding agent needs, on top of a profile. Undefined fields leave the profile as it is. */
export interface Compatibility {
  readonly profile: ProfileName
  readonly network?: 'listed'
  readonly workspace?: WorkspaceMode
  readonly seccomp?: 'ai-agent'
  readonly domains: CompatibilityDomains
  /** Variables that hold the agent's own key. */
  readonly keyVariables: readonly string[]
  /** Variables set for the command, so that an agent can tell where it runs. */
  readonly env: Readonly<Record<string, string>>
}

/** Hosts an agent talks to: network rules, except for the names of ecosystems. */
export interface CompatibilityDomains {
  /** The agent's own service; reachable whatever a list of the user leaves out, but never when blocked. */
  readonly always: readonly string[]
  /** Further hosts by name or wildcard. */
  readonly allow: readonly string[]
  readonly ecosystems: readonly EcosystemName[]
  readonly block: readonly string[]
}

// The address at which clouds hand credentials to whoever asks from inside a machine.
const METADATA_ADDRESS = '169.254.169.254'
const METADATA_HOST = 'metadata.google.internal'
const NO_DOMAINS: CompatibilityDomains = { always: [], allow: [], ecosystems: [], block: [] }

export const COMPATIBILITY: Readonly<Record<CompatibilityMode, Compatibility>> = {
  native: { profile: 'moderate', domains: NO_DOMAINS, keyVariables: [], env: {} },
  claude: {
    profile: 'moderate',
    network: 'listed',
    workspace: 'mount',
    seccomp: 'ai-agent',
    domains: {
      always: ['api.anthropic.com', 'cdn.anthropic.com'],
      allow: [],
      ecosystems: ['python', 'node', 'github', 'rust'],
      block: [METADATA_ADDRESS, METADATA_HOST],
    },
    keyVariables: ['ANTHROPIC_API_KEY'],
    env: { CLAUDE_CODE_SANDBOX: 'agentkernel' },
  },
  codex: {
    profile: 'restrictive',
    network: 'listed',
    workspace: 'mount',
    seccomp: 'ai-agent',
    domains: {
      always: ['api.openai.com', 'cdn.openai.com'],
      allow: [],
      ecosystems: ['python', 'node'],
      block: [METADATA_ADDRESS, METADATA_HOST, '*.internal'],
    },
    keyVariables: ['OPENAI_API_KEY'],
    env: {},
  },
  gemini: {
    profile: 'moderate',
    network: 'listed',
    workspace: 'mount',
    seccomp: 'ai-agent',
    domains: {
      always: ['generativelanguage.googleapis.com'],
      allow: ['*.googleapis.com'],
      ecosystems: ['python', 'node', 'github'],
      block: [METADATA_ADDRESS],
    },
    keyVariables: ['GOOGLE_API_KEY'],
    env: {},
  },
}

/** Network rules for everything a mode may reach: the agent's own first, then single hosts, then its ecosystems. */
export function allowedDomains(mode: CompatibilityMode): readonly string[] {
  const { always, allow, ecosystems } = COMPATIBILITY[mode].domains
  return [...always, ...allow, ...ecosystems.map((name) => `preset:${name}`)]
}
