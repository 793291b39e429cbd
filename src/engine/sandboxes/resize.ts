import { AppError } from '../../contract/errors.ts'
import { MIN_MEMORY_BYTES } from '../../contract/run.ts'
import type { Machine } from '../../policy/permissions.ts'
import type { SandboxRecord, SandboxStore } from '../../store/sandboxes/store.ts'
import type { Driver } from '../../drivers/driver.ts'
import type { EventBus } from './events.ts'
import type { SandboxLocks } from './locks.ts'
import { verbsOf } from './lifecycle.ts'
import { handleOf, type SavedSpec, savedOf } from './saved.ts'

const MIB = 1024 ** 2

export interface ResizeDeps {
  readonly store: SandboxStore
  readonly locks: SandboxLocks
  readonly events: EventBus
  readonly machine: Machine
  readonly driver: (name: string | undefined) => Promise<Driver>
}

/** Changes the limits of a sandbox: at once where it runs, else at its next start. Errors: `invalid_argument`, `not_available_yet`. */
export async function resizeSandbox(
  deps: ResizeDeps,
  { id }: SandboxRecord,
  limits: { readonly vcpus?: number; readonly memory_mb?: number },
  signal: AbortSignal,
): Promise<SandboxRecord> {
  return deps.locks.hold(id, signal, async (held) => {
    const record = deps.store.byId(id)
    if (record === undefined) throw new AppError('sandbox_not_found', 'Sandbox not found')
    const saved = savedOf(record)
    const resized = withLimits(deps.machine, saved, limits)
    const handle = handleOf(record)
    if (record.state === 'running' && handle !== undefined) {
      const verbs = verbsOf(await deps.driver(record.backend))
      if (verbs.resize === undefined) {
        throw new AppError('not_available_yet', `backend "${record.backend}" cannot change the limits of a running sandbox`, {
          fix: 'Stop it first.',
        })
      }
      const { memoryBytes, cpus, pids } = resized.spec.permissions
      await verbs.resize(handle, { memoryBytes, cpus, pids }, held)
    }
    const changed = deps.store.update(id, { spec: JSON.stringify(resized) }) ?? record
    deps.events.emit('sandbox.resized', changed, { ...limits })
    return changed
  })
}

function withLimits(
  machine: Machine,
  saved: SavedSpec,
  { vcpus, memory_mb }: { readonly vcpus?: number; readonly memory_mb?: number },
): SavedSpec {
  if (vcpus === undefined && memory_mb === undefined) throw new AppError('invalid_argument', 'neither vcpus nor memory_mb is given')
  if (vcpus !== undefined && !(vcpus > 0 && vcpus <= machine.cores)) {
    throw new AppError('invalid_argument', `vcpus is ${vcpus}; this machine has ${machine.cores} cores`)
  }
  const memoryBytes = memory_mb === undefined ? saved.spec.permissions.memoryBytes : memory_mb * MIB
  if (!(memoryBytes >= MIN_MEMORY_BYTES && memoryBytes <= machine.totalMemoryBytes)) {
    throw new AppError('invalid_argument', `memory_mb is ${memory_mb}; it must be from 6 to ${Math.floor(machine.totalMemoryBytes / MIB)}`)
  }
  const permissions = { ...saved.spec.permissions, memoryBytes, ...(vcpus === undefined ? {} : { cpus: vcpus }) }
  return { ...saved, spec: { ...saved.spec, permissions } }
}
