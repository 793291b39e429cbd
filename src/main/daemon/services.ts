import { join } from 'node:path'
import type { AuditSink } from '../../contract/events.ts'
import { asksForMetering, type LlmSettings, NO_LLM_SETTINGS } from '../../contract/llm.ts'
import type { Vault } from '../../contract/secrets.ts'
import type { ProxyHookOperations } from '../../contract/proxy-hooks.ts'
import type { SandboxOperations } from '../../contract/sandbox-operations.ts'
import type { WebhookReports } from '../../contract/webhooks.ts'
import type { Driver, SandboxHandle } from '../../drivers/driver.ts'
import { beginRun } from '../../engine/begin-run.ts'
import { Background, pause } from '../../engine/background.ts'
import { Activity } from '../../engine/sandboxes/activity.ts'
import { announce } from '../../engine/sandboxes/announce.ts'
import { Autopilot } from '../../engine/sandboxes/autopilot.ts'
import { oomKey } from '../../engine/sandboxes/commands.ts'
import { EventBus } from '../../engine/sandboxes/events.ts'
import { Idempotency } from '../../engine/sandboxes/idempotency.ts'
import { Lifecycle, verbsOf } from '../../engine/sandboxes/lifecycle.ts'
import { SandboxNetworks } from '../../engine/sandboxes/networks.ts'
import type { Metering } from '../../engine/network/metering.ts'
import { Refusals } from '../../engine/sandboxes/refusals.ts'
import { SandboxNetworkParts } from '../../engine/sandboxes/sandbox-network.ts'
import { SandboxLocks } from '../../engine/sandboxes/locks.ts'
import { createSandboxOperations, type OperationDeps } from '../../engine/sandboxes/operations.ts'
import { OomWatch } from '../../engine/sandboxes/oom-watch.ts'
import { reconcile } from '../../engine/sandboxes/reconcile.ts'
import { handleOf } from '../../engine/sandboxes/saved.ts'
import { type Webhook, Webhooks } from '../../engine/sandboxes/webhooks.ts'
import { GuestPool } from '../../guestlink/index.ts'
import { ignore } from '../../lib/ignore.ts'
import { nameProblem } from '../../lib/name-rule.ts'
import { createUuidV7 } from '../../lib/uuid-v7.ts'
import { listAudit } from '../../store/audit/list.ts'
import { openSqliteStore } from '../../store/sandboxes/sqlite.ts'
import type { SandboxRecord, SandboxStore } from '../../store/sandboxes/store.ts'
import { createRunDeps, loadRunConfig, meteringFor, run } from '../engine.ts'
import type { Paths } from '../paths.ts'
import { hookOperations, openHooks } from '../proxy-hooks.ts'

export interface ServiceOptions {
  readonly paths: Paths
  readonly version: string
  readonly audit: AuditSink
  readonly auditPath: string
  readonly drivers: readonly Driver[]
  /** The driver of that name, or the first that works. Errors: `backend_unknown`, `not_available_yet`. */
  readonly driver: (name: string | undefined) => Promise<Driver>
  readonly webhooks: readonly Webhook[]
  readonly log: (text: string) => void
  readonly env: Readonly<Record<string, string | undefined>>
  /** Called at each crash point. */
  readonly at?: (point: string) => void
}

/** Everything a daemon does, put together and not begun. */
export interface Services {
  readonly sandboxes: SandboxOperations
  readonly webhooks: WebhookReports
  readonly proxyHooks: ProxyHookOperations
  /** Makes true what is written down, then lets time do its work. */
  readonly begin: (signal: AbortSignal) => Promise<void>
  /** True while something would be missed if the daemon ended. */
  readonly needed: () => boolean
  readonly counts: () => { readonly running: number; readonly total: number }
  /** Lets go of everything; sandboxes go on. */
  readonly end: () => Promise<void>
}

export function createServices(options: ServiceOptions): Services {
  const { log, driver } = options
  const store = openSqliteStore(join(options.paths.dataDir, 'sandboxes.db'), now)
  const events = new EventBus(store, now)
  const activity = new Activity(store, now)
  const locks = new SandboxLocks()
  const guests = new GuestPool({ role: 'daemon', version: options.version })
  const background = new Background(log)
  const oom = new OomWatch()
  const vault = once(async () => (await (await import('../vault.ts')).openVault(options.paths, options.env)).vault)
  const metering = meteringOf(options)
  const hooks = once(async () => openHooks(options.paths, options.audit, await loadRunConfig({ cwd: undefined }, options.paths), log))
  const networkParts = new SandboxNetworkParts({
    vault,
    trustDir: join(options.paths.dataDir, 'trust'),
    metering: metering.of,
    hooks,
    now,
    onEvent: (record, event) => refusals.tell(record, event),
    warn: (record, message) => log(`sandbox ${record.name}: language models: ${message}`),
  })
  const refusals = new Refusals({ events, audit: options.audit, log, now })
  const networks = new SandboxNetworks({
    version: options.version,
    egressPath: async (handle) => verbsOf(await driver(handle.driver)).connect(handle).egressPath,
    socketPath: (handle) => socketOf(driver, handle),
    keepPorts: (id, ports) => void store.update(id, { ports }),
    wayOut: (record) => networkParts.wayOut(record),
    log,
  })
  const lifecycle = new Lifecycle({
    store,
    locks,
    driver,
    greet: async (handle, signal) => void (await guests.get(await socketOf(driver, handle), signal)),
    specForStart: (record) => networkParts.specForStart(record),
    forgetSecrets: (record) => networkParts.forget(record),
    openNetwork: (record, handle) => networks.open(record, handle),
    closeNetwork: (id) => networks.close(id),
    disconnect: async (handle) => guests.drop(await socketOf(driver, handle)),
    announce: (change) => announce({ events, audit: options.audit, follow, forget, rescheduled: () => autopilot.reset(), log }, change),
    now,
    monotonic,
    at: options.at ?? (() => undefined),
  })
  const parts: Parts = { store, events, activity, locks, guests, lifecycle, background, oom, networks, vault, mayMeter: metering.mayMatter }
  const follow = followWith(options, parts)
  const forget = (record: SandboxRecord): void => oom.forget(oomKey(record))
  const autopilot = new Autopilot({ store, lifecycle, activity, isBusy: busyWith(options, parts), background, now, log })
  const webhooks = new Webhooks({ hooks: options.webhooks, events, store, background, now, log, pause })
  return {
    sandboxes: operationsOf(options, { ...parts, autopilot, fingerprint: (record) => networkParts.fingerprint(record) }),
    webhooks,
    proxyHooks: hookOperations(hooks, () => networks.openCount),
    begin: async (signal) => {
      webhooks.begin()
      await reconcile({ store, lifecycle, drivers: async () => options.drivers, driver, follow, log }, signal)
      autopilot.begin()
    },
    needed: () =>
      store.list().some(({ state }) => state === 'running' || state === 'creating' || state === 'removing') || autopilot.pending(),
    counts: () => {
      const all = store.list()
      return { running: all.filter(({ state }) => state === 'running').length, total: all.length }
    },
    end: async () => {
      await background.end(END_LIMIT_MS)
      activity.flush()
      await networks.end()
      await metering.close()
      await hooks.made()?.then((made) => made.close(HOOKS_END_MS), nothing)
      await guests.close()
      store.close()
    },
  }
}

/** What the operations share. */
interface Parts {
  readonly store: SandboxStore
  readonly events: EventBus
  readonly activity: Activity
  readonly locks: SandboxLocks
  readonly guests: GuestPool
  readonly lifecycle: Lifecycle
  readonly background: Background
  readonly oom: OomWatch
  readonly networks: SandboxNetworks
  readonly vault: () => Promise<Vault>
  readonly mayMeter: () => boolean
}

/** One book of language models for all sandboxes, opened when there is something to meter. */
function meteringOf({ paths }: ServiceOptions) {
  const { mayMatter, open } = meteringFor(paths)
  let opened: Promise<Metering> | undefined
  return {
    mayMatter,
    of: async (settings: LlmSettings | undefined): Promise<Metering | undefined> =>
      !asksForMetering(settings ?? NO_LLM_SETTINGS) && !mayMatter() ? undefined : await (opened ??= open()),
    close: async (): Promise<void> => (await opened)?.close(),
  }
}

/** The same result for every call; a failure is tried again. */
function once<T>(make: () => Promise<T>): (() => Promise<T>) & { readonly made: () => Promise<T> | undefined } {
  let made: Promise<T> | undefined
  const get = async () => {
    try {
      return await (made ??= make())
    } catch (error) {
      made = undefined
      throw error
    }
  }
  return Object.assign(get, { made: () => made })
}

function operationsOf(options: ServiceOptions, parts: Parts & Pick<OperationDeps, 'autopilot' | 'fingerprint'>): SandboxOperations {
  const { driver, audit, auditPath, log } = options
  const runDeps = createRunDeps(options.paths, options.env, auditPath)
  return createSandboxOperations({
    ...parts,
    driver,
    audit,
    log,
    newExecId: newRunId,
    attended: new Set(),
    newId: createUuidV7(Date.now),
    idempotency: new Idempotency(parts.store, now),
    auditList: (sandbox) => listAudit(auditPath, { sandbox }),
    run: async (request, io, signal) => {
      const begun = beginRun(await driver(request.backend), { id: newRunId(), cwd: request.cwd }, io, signal)
      return run(runDeps, begun, request, io, signal)
    },
    nameProblem,
    loadConfig: (request) => runDeps.loadConfig({ command: ['sh'], env: {}, callerEnv: {}, ...request }),
    describeWorkspace: runDeps.describeWorkspace,
    machine: runDeps.machine,
    firstTime: runDeps.firstTime,
    now,
    monotonic,
  })
}

/** Keeps in touch with a sandbox that runs: when its connection is lost, it has ended by itself, most likely. */
function followWith({ driver, log }: ServiceOptions, { guests, lifecycle, background, networks }: Parts): (record: SandboxRecord) => void {
  const lost = async (record: SandboxRecord): Promise<void> => {
    if (await lifecycle.lost(record.id, { kind: 'lost', text: 'it ended by itself' })) await keep(record)
  }
  const keep = async (record: SandboxRecord): Promise<void> => {
    const handle = handleOf(record)
    if (handle === undefined) return
    const path = await socketOf(driver, handle)
    guests.onLost(path, () => background.run(`sandbox ${record.name}`, () => lost(record)))
    try {
      await guests.get(path)
    } catch (error) {
      ignore(error, 'no answer is an answer')
      return await lost(record)
    }
    try {
      // After a start it is open already; after a new daemon has come, it is opened here.
      await networks.reopen(record, handle)
    } catch (error) {
      log(`sandbox ${record.name}: its network is closed: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return (record) => background.run(`sandbox ${record.name}`, () => keep(record))
}

/** Whether commands go on in a sandbox that nobody waits for: detached ones, also those of a daemon before us. */
function busyWith({ driver }: ServiceOptions, { guests }: Parts): (record: SandboxRecord) => Promise<boolean> {
  return async (record) => {
    const handle = handleOf(record)
    if (handle === undefined) return false
    const guest = await guests.get(await socketOf(driver, handle), AbortSignal.timeout(ANSWER_LIMIT_MS))
    return (await guest.execList(AbortSignal.timeout(ANSWER_LIMIT_MS))).some(({ running }) => running)
  }
}

const nothing = (): undefined => undefined
/** What hooks are still to be told may take so long at the end, in ms. */
const HOOKS_END_MS = 1_000
/** How long background work may take to end, in ms: below what a new daemon waits for an old one. */
const END_LIMIT_MS = 4_000
/** How long a sandbox may take to say what goes on in it, in ms. */
const ANSWER_LIMIT_MS = 5_000
const now = (): Date => new Date()
const monotonic = (): number => performance.now()
/** Sixteen characters of `[0-9a-f]`. */
const newRunId = (): string => crypto.randomUUID().replaceAll('-', '').slice(0, 16)

async function socketOf(driver: ServiceOptions['driver'], handle: SandboxHandle): Promise<string> {
  return verbsOf(await driver(handle.driver)).connect(handle).socketPath
}
