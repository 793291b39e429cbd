import type { ReconcileReport } from '../../contract/sandboxes.ts'
import { ignore } from '../../lib/ignore.ts'
import type { SandboxRecord, SandboxStore } from '../../store/sandboxes/store.ts'
import type { Background } from '../background.ts'
import type { Activity } from './activity.ts'
import type { Lifecycle } from './lifecycle.ts'

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
  /** Asks a sandbox that runs whether commands go on in it that this daemon did not start. */
  readonly isBusy: (record: SandboxRecord) => Promise<boolean>
  readonly background: Background
  readonly now: () => Date
  readonly log: (text: string) => void
}

/** Timers are set no further than this, in ms, so that a clock that was put right counts soon; so long is also what failed postponed. */
const FURTHEST_MS = 60_000
/** Timers are set no nearer than this, in ms. */
const NEAREST_MS = 100

/** Carries out what is due. `run` does it once; `begin` keeps doing it, with one timer that waits for the next thing due. */
export class Autopilot {
  readonly #deps: AutopilotDeps
  #timer: NodeJS.Timeout | undefined
  #begun = false
  /** What could not be done is tried again after a while, not at once: it would fail again. */
  readonly #postponed = new Map<string, number>()

  constructor(deps: AutopilotDeps) {
    this.#deps = deps
  }

  /** Everything that is due now, or with `dryRun` only the report of it. */
  async run(dryRun: boolean, signal: AbortSignal): Promise<ReconcileReport> {
    const { store, activity } = this.#deps
    activity.flush()
    const due = store
      .list()
      .map(nextAction)
      .filter((action) => action !== undefined && this.#isDue(action))
    const done: DueAction[] = []
    for (const action of due) {
      if (signal.aborted) break
      if (action !== undefined && (dryRun || (await this.#carryOut(action, signal)))) done.push(action)
    }
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
    this.#begun = true
    this.#deps.background.signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true })
    this.reset()
  }

  /** True while time will do something. */
  pending(): boolean {
    return this.#deps.store.list().some((record) => nextAction(record) !== undefined)
  }

  /** Looks again at what is due next: to be called when that may have changed. Never fails. */
  reset(): void {
    const { background } = this.#deps
    clearTimeout(this.#timer)
    if (!this.#begun || background.signal.aborted) return
    const next = this.#nextInMs()
    if (next === Infinity) return
    const tick = (): void => background.run('autopilot', (signal) => this.run(false, signal).finally(() => this.reset()))
    this.#timer = setTimeout(tick, Math.min(Math.max(next, NEAREST_MS), FURTHEST_MS))
  }

  #nextInMs(): number {
    try {
      const times = this.#deps.store
        .list()
        .map((record) => Math.max(nextAction(record)?.at ?? Infinity, this.#postponed.get(record.id) ?? 0))
      return Math.min(Infinity, ...times) - this.#deps.now().getTime()
    } catch (error) {
      this.#deps.log(`autopilot: ${error instanceof Error ? error.message : String(error)}`)
      return FURTHEST_MS
    }
  }

  #isDue({ at }: DueAction): boolean {
    return at <= this.#deps.now().getTime()
  }

  /** False when it was not done: it could not be, or the sandbox is in use after all. */
  async #carryOut({ sandbox, action, reason }: DueAction, signal: AbortSignal): Promise<boolean> {
    const { lifecycle, log, now } = this.#deps
    let stood = false
    // Asked again when the sandbox is free: it may have been used, extended or changed meanwhile.
    const when = (record: SandboxRecord): boolean => {
      this.#deps.activity.flush()
      const next = nextAction(this.#deps.store.byId(record.id) ?? record)
      stood = next?.action === action && this.#isDue(next)
      return stood
    }
    try {
      if (action !== 'remove' && (await this.#inUse(sandbox))) return false
      const order = { why: { kind: action === 'remove' ? 'expired' : 'idle', text: reason }, when } as const
      if (action === 'stop') await lifecycle.stop(sandbox.id, signal, order)
      else if (action === 'archive') await lifecycle.archive(sandbox.id, signal, order)
      else await lifecycle.remove(sandbox.id, order)
      this.#postponed.delete(sandbox.id)
      return stood
    } catch (error) {
      ignore(error, 'said in the log; a later look tries again, and the others are not kept waiting')
      this.#postponed.set(sandbox.id, now().getTime() + FURTHEST_MS)
      log(`autopilot: cannot ${action} sandbox ${sandbox.name}: ${error instanceof Error ? error.message : String(error)}`)
      return false
    }
  }

  async #inUse(sandbox: SandboxRecord): Promise<boolean> {
    if (sandbox.state !== 'running' || !(await this.#deps.isBusy(sandbox))) return false
    this.#deps.activity.touch(sandbox.id)
    this.#deps.activity.flush()
    return true
  }
}
