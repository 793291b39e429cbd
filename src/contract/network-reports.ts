import type { NetworkLevel, ProfileName } from './config.ts'
import type { NetworkMode, NetworkRules } from './network.ts'

/** Which rules to ask about: those that a `run` with the same options would have. */
export interface RulesInput {
  readonly cwd: string | undefined
  readonly configPath?: string
  readonly profile?: ProfileName
  readonly network?: NetworkMode
  readonly allow?: readonly string[]
  readonly block?: readonly string[]
}

/** A rule that recorded traffic needed, with what it is for. */
export interface LearnedRule {
  /** Canonical. */
  readonly rule: string
  /** Names or addresses it is for, sorted; more than one under a wildcard. */
  readonly hosts: readonly string[]
  readonly ports: readonly number[]
  readonly protocol: 'tcp' | 'udp'
  readonly connections: number
  readonly requests: number
}
export interface LearnReport {
  /** The most used first. */
  readonly rules: readonly LearnedRule[]
  readonly connections: number
  readonly hosts: number
  /** True when there were more hosts than are kept: then the rules are not enough. */
  readonly incomplete: boolean
  /** What was refused while it was recorded. */
  readonly refused: readonly TargetCount[]
}

/** One target and how often it was asked for. */
export interface TargetCount {
  /** Name or address with port; for a request with its method and path. */
  readonly target: string
  readonly count: number
  readonly reason?: string
  readonly hint?: string
  /** The rule that decided now. */
  readonly rule?: string
}
export interface SimulationReport {
  readonly level: NetworkLevel
  readonly rules: NetworkRules
  /** Events that were decided again. */
  readonly events: number
  readonly allowed: number
  readonly denied: number
  /** What was allowed when it was recorded and would be denied. */
  readonly newly_denied: readonly TargetCount[]
  readonly newly_allowed: readonly TargetCount[]
  /** Lines that are no event, or name nothing that could be decided. */
  readonly skipped: number
  /** True when there were more targets than are listed. */
  readonly incomplete: boolean
}

/** One event that was decided again. */
export interface SimulatedEvent {
  /** In the log, from 1. */
  readonly line: number
  readonly was: 'allowed' | 'denied'
  readonly verdict: { readonly allowed: boolean; readonly rule?: string; readonly reason?: string; readonly hint?: string }
}

export interface ExplainReport {
  /** As understood: `tcp example.com:443`, `GET https://example.com/`. */
  readonly target: string
  readonly level: NetworkLevel
  readonly rules: NetworkRules
  /** Who decided about the rules: `profile moderate`, `flag --allow`. */
  readonly source: string
  readonly allowed: boolean
  /** The rule that decided. */
  readonly rule?: string
  readonly reason?: string
  readonly hint?: string
  /** Further sentences: what is looked at later, or what would be opened. */
  readonly notes: readonly string[]
}
