import type { CommandRules, NetworkLevel } from '../../contract/config.ts'
import type { SandboxHandle, SandboxSpec } from '../../drivers/driver.ts'
import { AppError } from '../../contract/errors.ts'
import type { GitRule } from '../../contract/git-rules.ts'
import type { LlmSettings } from '../../contract/llm.ts'
import type { PublishedPort } from '../../contract/network.ts'
import type { SecretBinding } from '../../contract/secrets.ts'
import type { SandboxRecord } from '../../store/sandboxes/store.ts'

/** What of a sandbox's making is kept as JSON: all that later starts and commands need. */
export interface SavedSpec {
  readonly spec: SandboxSpec
  /** Which commands may start in it, from the configuration it was made with. */
  readonly commands: readonly CommandRules[]
  /** Where commands start. */
  readonly cwd: string
  /** Absent in sandboxes without a network or of an earlier release. */
  readonly network?: SavedNetwork
}

/** What belongs to the network of a sandbox besides its rules, which are in its permissions. */
export interface SavedNetwork {
  /** As wanted: the host chooses anew at each start where the port is 0. */
  readonly publish: readonly PublishedPort[]
  /** Never values. */
  readonly secrets: readonly SecretBinding[]
  /** True: models may be called, or something else may ask for it, so that it has an authority of its own. */
  readonly opens?: boolean
  readonly llm?: LlmSettings
  /** What may be pushed to git servers over HTTPS. */
  readonly gitRules?: readonly GitRule[]
  /** The widest network that a command's own rules may give. @default 'public' */
  readonly widest?: NetworkLevel
  readonly extraCa?: readonly string[]
}

/** The parts of a record that are JSON of ours. Errors: `store_failed` for a record that somebody else wrote. */
export function savedOf(record: SandboxRecord): SavedSpec {
  return parse(record, record.spec) as SavedSpec
}
export function handleOf(record: SandboxRecord): SandboxHandle | undefined {
  return record.handle === null ? undefined : (parse(record, record.handle) as SandboxHandle)
}

function parse(record: SandboxRecord, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new AppError('store_failed', `the record of sandbox "${record.name}" is damaged`, { cause: error })
  }
}
