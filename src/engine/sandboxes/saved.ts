import type { CommandRules } from '../../contract/config.ts'
import type { SandboxHandle, SandboxSpec } from '../../drivers/driver.ts'
import { AppError } from '../../contract/errors.ts'
import type { SandboxRecord } from '../../store/sandboxes/store.ts'

/** What of a sandbox's making is kept as JSON: all that later starts and commands need. */
export interface SavedSpec {
  readonly spec: SandboxSpec
  /** Which commands may start in it, from the configuration it was made with. */
  readonly commands: readonly CommandRules[]
  /** Where commands start. */
  readonly cwd: string
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
