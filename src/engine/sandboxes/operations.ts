import { AppError } from '../../contract/errors.ts'
import type { AuditListing } from '../../contract/reports.ts'
import type { RunIo, RunRequest, RunResult } from '../../contract/run.ts'
import type { SandboxOperations } from '../../contract/sandbox-operations.ts'
import type { PatchRequest, SandboxInfo, SandboxStats } from '../../contract/sandboxes.ts'
import type { Driver } from '../../drivers/driver.ts'
import type { Secret } from '../../lib/secret.ts'
import type { SandboxRecord } from '../../store/sandboxes/store.ts'
import type { Autopilot } from './autopilot.ts'
import { collect } from './collect.ts'
import {
  attachCommand,
  type CommandDeps,
  commandLog,
  findCommand,
  killCommand,
  listCommands,
  startCommand,
  traceContext,
} from './commands.ts'
import { exportText, importRequest } from './config-text.ts'
import { type DescribeDeps, describeRequest, expiry, parseTtl } from './describe-request.ts'
import { fileOperations } from './files.ts'
import type { Idempotency } from './idempotency.ts'
import { infoOf } from './info.ts'
import { type Lifecycle, verbsOf } from './lifecycle.ts'
import { runSession } from './one-shot.ts'
import { proxyOf } from './proxy.ts'
import { type ResizeDeps, resizeSandbox } from './resize.ts'
import { requireRecord, requireRunning } from './running.ts'
import { handleOf, savedOf } from './saved.ts'

export interface OperationDeps extends CommandDeps, DescribeDeps, ResizeDeps {
  /** Monotonic, in ms. */
  readonly monotonic: () => number
  readonly lifecycle: Lifecycle
  readonly autopilot: Autopilot
  readonly idempotency: Idempotency
  readonly auditList: (sandbox: string) => Promise<AuditListing>
  /** One command in a sandbox of its own. */
  readonly run: (request: RunRequest, io: RunIo, signal: AbortSignal) => Promise<RunResult>
  /** Of the sandbox's own authority; undefined where there is none. Errors: those of the vault. */
  readonly fingerprint: (record: SandboxRecord) => Promise<string | undefined>
  readonly nameProblem: (name: string) => string | undefined
}

/** Everything that doors can do with sandboxes that stay. Each part is in a file of its own; this is where they meet. */
export function createSandboxOperations(deps: OperationDeps): SandboxOperations {
  const { store } = deps
  const info = async (record: SandboxRecord, extra: Pick<SandboxInfo, 'timings_ms' | 'warnings'> = {}): Promise<SandboxInfo> =>
    infoOf(record, { isolation: (await deps.driver(record.backend)).facts.isolation, ...extra })
  return {
    ...lives(deps, info),
    list: async (filter) => Promise.all(store.list(filter).map((record) => info(record))),
    get: async (name) => info(requireRecord(store, name)),
    getByUuid: async (uuid) => {
      const record = store.byId(uuid)
      if (record === undefined) throw new AppError('sandbox_not_found', 'Sandbox not found')
      return info(record)
    },
    patch: async (name, change) => info(patch(deps, requireRecord(store, name), change)),
    extend: async (name, by) => extend(deps, requireRecord(store, name), by),
    resize: async (name, limits, signal) => info(await resizeSandbox(deps, requireRecord(store, name), limits, signal)),
    reconcile: ({ dry_run }, signal) => deps.autopilot.run(dry_run, signal),
    exportConfig: async (name) => exportText(requireRecord(store, name)),
    logs: (name) => {
      requireRecord(store, name)
      return deps.auditList(name)
    },
    stats: (name) => stats(deps, name),
    proxy: async (name) => {
      const record = requireRecord(store, name)
      return proxyOf(record, await deps.fingerprint(record))
    },
    ...commands(deps),
    ...fileOperations(deps),
    events: (input, signal) => deps.events.listen(input, signal),
    runStream: async (request, { caller }, signal) => {
      const traced = { ...request, env: { ...request.env, ...traceContext(caller) } }
      return runSession(deps.newExecId(), traced, deps.run, signal).session
    },
  }
}

type Info = (record: SandboxRecord, extra?: Pick<SandboxInfo, 'timings_ms' | 'warnings'>) => Promise<SandboxInfo>

/** Being made, started, stopped and removed. What it means to others is told by the lifecycle. */
function lives(
  deps: OperationDeps,
  info: Info,
): Pick<SandboxOperations, 'create' | 'start' | 'stop' | 'remove' | 'recover' | 'gc' | 'importConfig'> {
  const { store, lifecycle } = deps
  const create: SandboxOperations['create'] = (request, { key, caller }, signal) =>
    deps.idempotency.once(key, request, async () => {
      const problem = deps.nameProblem(request.name)
      if (problem !== undefined) throw new AppError('invalid_argument', problem)
      if (store.byName(request.name) !== undefined) throw nameTaken(request.name)
      const driver: Driver = await deps.driver(request.backend)
      verbsOf(driver)
      const { record, warnings, values } = await describeRequest(deps, driver, request, caller, signal)
      store.insert(record)
      const made = await lifecycle.make(record, request.start !== false, signal, () => keepValues(deps, values))
      return info(made.record, { timings_ms: made.timings, warnings: [...warnings, ...(handleOf(made.record)?.notices ?? [])] })
    })
  return {
    create,
    remove: (name) => lifecycle.remove(requireRecord(store, name).id),
    start: async (name, signal) => {
      const { record, timings } = await lifecycle.start(requireRecord(store, name).id, signal)
      deps.activity.touch(record.id)
      return info(record, { timings_ms: timings, warnings: handleOf(record)?.notices ?? [] })
    },
    stop: async (name, signal) => info(await lifecycle.stop(requireRecord(store, name).id, signal)),
    recover: async (name) => info(await lifecycle.recover(requireRecord(store, name).id, new AbortController().signal)),
    gc: ({ dry_run, labels }, signal) => collectGarbage(deps, { dry_run, ...(labels === undefined ? {} : { labels }) }, signal),
    importConfig: (input, { caller }, signal) => create(importRequest(input.config, input.as, input.backend), { caller }, signal),
  }
}

/** Values that came with a request are the vault's from then on. */
async function keepValues(deps: OperationDeps, values: ReadonlyMap<string, Secret>): Promise<void> {
  if (values.size === 0) return
  const { storeValues } = await import('../../secrets/forward.ts')
  await storeValues(values, await deps.vault())
}

/** Removes what has expired, or with labels whatever has all of them. */
async function collectGarbage(
  { store, lifecycle, now }: OperationDeps,
  { dry_run, labels }: { readonly dry_run: boolean; readonly labels?: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<{ readonly removed: readonly string[]; readonly count: number }> {
  const isExpired = ({ expiresAt }: SandboxRecord): boolean => expiresAt !== null && expiresAt <= now().toISOString()
  const chosen = labels === undefined ? store.list().filter(isExpired) : store.list({ labels })
  const removed: string[] = []
  for (const { id, name, expiresAt } of chosen) {
    if (signal.aborted) break
    const order =
      labels === undefined
        ? ({ why: { kind: 'expired', text: `its time to live ended at ${expiresAt}` }, when: isExpired } as const)
        : undefined
    if (!dry_run) await lifecycle.remove(id, order)
    removed.push(name)
  }
  return { removed, count: removed.length }
}

function commands(
  deps: OperationDeps,
): Pick<SandboxOperations, 'exec' | 'execStream' | 'attachExec' | 'execDetach' | 'execList' | 'execGet' | 'execLogs' | 'execKill'> {
  return {
    exec: async (name, request, { caller }, signal) => {
      const session = await startCommand(deps, name, request, { caller, detach: false }, signal)
      return collect(session, (id) => `/sandboxes/${name}/exec/detached/${id}/output?stream=stdout`)
    },
    execStream: (name, request, { caller }, signal) => startCommand(deps, name, request, { caller, detach: false }, signal),
    attachExec: (name, id, from, signal) => attachCommand(deps, name, id, from, signal),
    execDetach: async (name, request, { caller }, signal) => {
      const session = await startCommand(deps, name, request, { caller, detach: true }, signal)
      return findCommand(deps, name, session.id)
    },
    execList: (name) => listCommands(deps, name),
    execGet: (name, id) => findCommand(deps, name, id),
    execLogs: (name, id, channel, from, signal) => commandLog(deps, name, id, { channel, ...from, signal }),
    execKill: (name, id) => killCommand(deps, name, id),
  }
}

function patch(deps: OperationDeps, record: SandboxRecord, change: PatchRequest): SandboxRecord {
  const changed = deps.store.update(record.id, {
    ...(change.labels === undefined ? {} : { labels: change.labels }),
    ...(change.description === undefined ? {} : { description: change.description }),
    ...(change.lifecycle === undefined ? {} : { lifecycle: change.lifecycle }),
  })
  if (changed === undefined) throw new AppError('sandbox_not_found', 'Sandbox not found')
  deps.events.emit('sandbox.updated', changed, {})
  deps.autopilot.reset()
  return changed
}

function extend(deps: OperationDeps, record: SandboxRecord, by: string): { readonly expires_at: string | null } {
  const now = deps.now()
  const from = record.expiresAt === null || Date.parse(record.expiresAt) < now.getTime() ? now : new Date(record.expiresAt)
  const expiresAt = parseTtl(by) === 0 ? null : expiry(by, from)
  deps.store.update(record.id, { expiresAt })
  deps.autopilot.reset()
  return { expires_at: expiresAt }
}

async function stats(deps: OperationDeps, name: string): Promise<SandboxStats> {
  const record = requireRecord(deps.store, name)
  const limit = savedOf(record).spec.permissions.memoryBytes
  if (record.state !== 'running') return { sandbox: name, status: record.state, memory_limit_bytes: limit }
  const { handle, guest } = await requireRunning(deps, name)
  const usage = verbsOf(await deps.driver(record.backend)).usage(handle)
  const { processes } = await guest.stats()
  const rss = processes.reduce((sum, process) => sum + process.rss, 0)
  return {
    sandbox: name,
    status: record.state,
    memory_bytes: usage.memoryBytes ?? rss,
    ...(usage.memoryPeakBytes === undefined ? {} : { memory_peak_bytes: usage.memoryPeakBytes }),
    memory_limit_bytes: limit,
    cpu_ms: usage.cpuMs ?? processes.reduce((sum, process) => sum + process.cpu_ms, 0),
    process_count: usage.processes ?? processes.length,
    processes: processes.map(({ pid, argv, rss: bytes, cpu_ms }) => ({ pid, argv, rss: bytes, cpu_ms })),
  }
}

const nameTaken = (name: string): AppError => new AppError('already_exists', `a sandbox named "${name}" exists already`)
