import type { ReconcileReport } from '../../contract/sandboxes.ts'
import { ignore } from '../../lib/ignore.ts'
import type { SandboxRecord, SandboxStore } from '../../store/sandboxes/store.ts'
import type { Activity } from './activity.ts'
import type { EventBus } from './events.ts'
import type { Lifecycle } from './lifecycle.ts'
import { isAppError } from '../../contract/errors.ts'

/** What is due for a sandbox, or will be. */
export interface DueAction {
  readonly sandbox: SandboxRecord
  readonly action: 'stop' | 'archive' | 'remove'
  readonly reason: string
  /** Unix time in ms. */
  readonly at: number
}

/**
 * The next thing that time alone will do to a sandbox; undefined = nothing. The end of its time to live comes before everything else; then
 * the policy: stopped after so long without activity, archived after so long without activity, removed so long after that.
 */
export function nextAction(record: SandboxRecord): DueAction | undefined {
  const candidates = [expiry(record), ...policyActions(record)].filter((action) => action !== undefined)
  return candidates.toSorted((a, b) => a.at - b.at)[0]
}

function expiry(record: SandboxRecord): DueAction | undefined {
  if (record.expiresAt === null) return undefined
  return { sandbox: record, action: 'remove', reason: `its time to live ended at ${record.expiresAt}`, at: Date.parse(record.expiresAt) }
}

function policyActions(record: SandboxRecord): (DueAction | undefined)[] {
  const { lifecycle, state } = record
  if (lifecycle === null || state === 'creating' || state === 'removing') return []
  const after = (action: DueAction['action'], from: string | null, seconds: number | undefined, what: string): DueAction | undefined =>
    from === null || seconds === undefined
      ? undefined
      : { sandbox: record, action, reason: `${what} for ${seconds} s`, at: Date.parse(from) + seconds * 1000 }
  if (state === 'archived') return [after('remove', record.archivedAt, lifecycle.auto_delete_after_seconds, 'archived')]
  return [
    state === 'running' ? after('stop', record.lastActivityAt, lifecycle.auto_stop_after_seconds, 'not used') : undefined,
    after('archive', record.lastActivityAt, lifecycle.auto_archive_after_seconds, 'not used'),
  ]
}

export interface AutopilotDeps {
  readonly store: SandboxStore
  readonly lifecycle: Lifecycle
  readonly activity: Activity
  readonly events: EventBus
  readonly now: () => Date
  readonly log: (text: string) => void
}

/** Timers are set no further than this, in ms, so that a clock that was put right counts soon. */
const FURTHEST_MS = 60_000

/** Carries out what is due. `run` does it once; `begin` keeps doing it, with one timer that waits for the next thing due. */
export class Autopilot {
  readonly #deps: AutopilotDeps
  #timer: NodeJS.Timeout | undefined
  #stopped = true
  #running: Promise<unknown> = Promise.resolve()
  /** What could not be done is tried again after a while, not at once: it would fail again. */
  readonly #postponed = new Map<string, number>()

  constructor(deps: AutopilotDeps) {
    this.#deps = deps
  }

  /** Everything that is due now, or with `dryRun` only the report of it. */
  async run(dryRun: boolean, signal: AbortSignal): Promise<ReconcileReport> {
    const { store, activity, now } = this.#deps
    activity.flush()
    const due = store
      .list()
      .map(nextAction)
      .filter((action) => action !== undefined)
      .filter((action) => action.at <= now().getTime())
    const done: DueAction[] = []
    for (const action of due) if (dryRun || (await this.#carryOut(action, signal))) done.push(action)
    const named = (kind: DueAction['action']): string[] => done.filter(({ action }) => action === kind).map(({ sandbox }) => sandbox.name)
    return {
      dry_run: dryRun,
      stopped: named('stop'),
      archived: named('archive'),
      removed: named('remove'),
      actions: done.map(({ sandbox, action, reason }) => ({ sandbox: sandbox.name, action, reason })),
    }
  }

  begin(): void {
    this.#stopped = false
    this.reset()
  }

  async end(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#running
  }

  /** True while time will do something. */
  pending(): boolean {
    return this.#deps.store.list().some((record) => nextAction(record) !== undefined)
  }

  /** Looks again at what is due next: to be called when that may have changed. */
  reset(): void {
    if (this.#stopped) return
    clearTimeout(this.#timer)
    const times = this.#deps.store.list().map((record) => Math.max(nextAction(record)?.at ?? Infinity, this.#postponed.get(record.id) ?? 0))
    const next = Math.min(Infinity, ...times) - this.#deps.now().getTime()
    if (next === Infinity) return
    this.#timer = setTimeout(() => this.#tick(), Math.min(Math.max(next, 100), FURTHEST_MS))
  }

  #tick(): void {
    this.#running = this.run(false, new AbortController().signal)
      .catch((error: unknown) => this.#deps.log(`autopilot: ${error instanceof Error ? error.message : String(error)}`))
      .then(() => this.reset())
  }

  /** False when it could not be done; the next look tries again. */
  async #carryOut({ sandbox, action, reason }: DueAction, signal: AbortSignal): Promise<boolean> {
    const { lifecycle, events, log } = this.#deps
    try {
      if (action === 'stop') {
        await lifecycle.stop(sandbox.id, signal)
        events.emit('sandbox.stopped', sandbox, { reason })
      } else if (action === 'archive') {
        await lifecycle.archive(sandbox.id, reason, signal)
        events.emit('sandbox.archived', sandbox, { reason })
      } else {
        if (sandbox.expiresAt !== null && reason.includes(sandbox.expiresAt)) events.emit('sandbox.expired', sandbox, {})
        await lifecycle.remove(sandbox.id, signal)
      }
      this.#postponed.delete(sandbox.id)
      return true
    } catch (error) {
      if (!isAppError(error)) throw error
      ignore(error, 'said in the log; a later look tries again')
      this.#postponed.set(sandbox.id, this.#deps.now().getTime() + FURTHEST_MS)
      log(`autopilot: cannot ${action} sandbox ${sandbox.name}: ${error.message}`)
      return false
    }
  }
}
