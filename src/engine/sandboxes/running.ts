import { AppError } from '../../contract/errors.ts'
import type { Driver, SandboxHandle } from '../../drivers/driver.ts'
import type { Guest, GuestPool } from '../../guestlink/index.ts'
import type { SandboxRecord, SandboxStore } from '../../store/sandboxes/store.ts'
import type { Activity } from './activity.ts'
import { verbsOf } from './lifecycle.ts'
import { handleOf } from './saved.ts'

/** A sandbox that runs, and the way into it. */
export interface Running {
  readonly record: SandboxRecord
  readonly handle: SandboxHandle
  readonly guest: Guest
}

export interface RunningDeps {
  readonly store: SandboxStore
  readonly guests: GuestPool
  readonly activity: Activity
  readonly driver: (name: string | undefined) => Promise<Driver>
  readonly now: () => Date
}

/** The sandbox of that name. Errors: `sandbox_not_found`. */
export function requireRecord(store: SandboxStore, name: string): SandboxRecord {
  const record = store.byName(name)
  if (record === undefined) throw new AppError('sandbox_not_found', 'Sandbox not found')
  return record
}

/** The way into a sandbox. Errors: `sandbox_not_found`, `sandbox_not_running`, `sandbox_archived`, `sandbox_lost`. */
export async function requireRunning(deps: RunningDeps, name: string): Promise<Running> {
  const record = requireRecord(deps.store, name)
  // Whoever removes it may not have come to it yet: a daemon that was away, say.
  if (record.expiresAt !== null && Date.parse(record.expiresAt) <= deps.now().getTime()) {
    throw new AppError('sandbox_not_found', `the time to live of sandbox "${name}" ended at ${record.expiresAt}`)
  }
  if (record.state === 'archived') throw new AppError('sandbox_archived', `sandbox "${name}" is archived`)
  const handle = handleOf(record)
  if (record.state !== 'running' || handle === undefined) {
    throw new AppError('sandbox_not_running', `sandbox "${name}" is ${record.state}, not running`)
  }
  const { socketPath } = verbsOf(await deps.driver(record.backend)).connect(handle)
  deps.activity.touch(record.id)
  return { record, handle, guest: await deps.guests.get(socketPath) }
}
