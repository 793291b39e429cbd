import type { Driver } from '../../drivers/driver.ts'
import { ignore } from '../../lib/ignore.ts'
import type { SandboxRecord, SandboxStore } from '../../store/sandboxes/store.ts'
import { type Lifecycle, type Order, verbsOf } from './lifecycle.ts'
import { handleOf } from './saved.ts'

const PUT_RIGHT: Order = { why: { kind: 'reconciled', text: 'put right after a crash' } }

export interface ReconcileDeps {
  readonly store: SandboxStore
  readonly lifecycle: Lifecycle
  readonly drivers: () => Promise<readonly Driver[]>
  readonly driver: (name: string | undefined) => Promise<Driver>
  /** Keeps in touch with a sandbox that runs. */
  readonly follow: (record: SandboxRecord) => void
  /** One line for the daemon's log. */
  readonly log: (text: string) => void
}

/**
 * Makes what is written down true again, after a crash at any moment: half-made sandboxes are removed (whoever asked for one never got
 * a reply), removals are finished, those that are said to run and do not are stopped, those that run and should not are ended,
 * and what no record knows is swept away. One that cannot be put right does not keep the others.
 */
export async function reconcile(deps: ReconcileDeps, signal: AbortSignal): Promise<void> {
  deps.store.dropUnfinishedReplies()
  // Several at a time: each waits for processes more than it works.
  const queue = deps.store.list()
  const worker = async (): Promise<void> => {
    for (let record = queue.shift(); record !== undefined; record = queue.shift()) {
      try {
        await putRight(deps, record, signal)
      } catch (error) {
        deps.log(`sandbox ${record.name} could not be put right: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  }
  await Promise.all(Array.from({ length: 8 }, worker))
  await sweep(deps, signal)
}

async function putRight(deps: ReconcileDeps, record: SandboxRecord, signal: AbortSignal): Promise<void> {
  const { lifecycle, store } = deps
  if (record.state === 'creating' || record.state === 'removing') {
    await lifecycle.remove(record.id, PUT_RIGHT)
    return
  }
  const handle = handleOf(record)
  const truth = handle === undefined ? 'gone' : await verbsOf(await deps.driver(record.backend)).inspect(handle, signal)
  if (truth === 'gone') {
    if (record.state !== 'failed') store.update(record.id, { state: 'failed', failure: 'its files are gone' })
    return
  }
  if (record.state === 'running') {
    if (truth === 'running') return deps.follow(record)
    await lifecycle.stop(record.id, signal, { why: { kind: 'reconciled', text: 'it had ended while no daemon watched' } })
    return
  }
  // What one that does not run may have left (a control group, a socket) goes the same way as what runs.
  if (record.state === 'archived') return void (await lifecycle.archive(record.id, signal, PUT_RIGHT))
  const { failure } = record
  await lifecycle.stop(record.id, signal, PUT_RIGHT)
  if (record.state === 'failed') store.update(record.id, { state: 'failed', failure })
}

async function sweep(deps: ReconcileDeps, signal: AbortSignal): Promise<void> {
  for (const driver of await deps.drivers()) {
    if (driver.sandboxes === undefined) continue
    try {
      const swept = await driver.sandboxes.sweep((id) => deps.store.byId(id) !== undefined, signal)
      if (swept > 0) deps.log(`${driver.name}: removed what ${swept} sandboxes nobody knows had left`)
    } catch (error) {
      ignore(error, 'the next start of the daemon tries again')
    }
  }
}
