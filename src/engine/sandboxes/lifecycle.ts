import { AppError, isAppError } from '../../contract/errors.ts'
import type { SandboxState } from '../../contract/sandboxes.ts'
import type { Driver, SandboxHandle, SandboxSpec, SandboxVerbs } from '../../drivers/driver.ts'
import { ignore } from '../../lib/ignore.ts'
import type { SandboxRecord, SandboxStore } from '../../store/sandboxes/store.ts'
import { ASKED, type Change, type Why } from './announce.ts'
import type { SandboxLocks } from './locks.ts'
import { handleOf } from './saved.ts'
import { runSteps, type StepList } from './steps.ts'
import { requireLegal, type Transition, TRANSITIONS } from './transitions.ts'

/** How long starting may take, in ms: copying a large project included. */
const START_LIMIT_MS = 120_000
/** How long stopping and removing may take before they are given up, in ms; the next start of the daemon goes on with them. */
const END_LIMIT_MS = 30_000
/** How long a sandbox whose connection was lost may take to greet again, in ms. */
const ANSWER_LIMIT_MS = 2_000

export interface LifecycleDeps {
  readonly store: SandboxStore
  readonly locks: SandboxLocks
  /** The driver of a sandbox. Errors: `backend_unknown`, `not_available_yet`. */
  readonly driver: (name: string | undefined) => Promise<Driver>
  readonly greet: (handle: SandboxHandle, signal: AbortSignal) => Promise<void>
  readonly specForStart: (record: SandboxRecord) => Promise<SandboxSpec>
  /** Removes what else belongs to a sandbox that is gone: secrets, certificates. Safe to repeat. */
  readonly forgetSecrets: (record: SandboxRecord) => Promise<void>
  /** Opens the way out and the ports of a sandbox that runs. */
  readonly openNetwork: (record: SandboxRecord, handle: SandboxHandle) => Promise<void>
  /** Closes them. */
  readonly closeNetwork: (id: string) => Promise<void>
  /** Lets go of what connects us to a sandbox that has ended. */
  readonly disconnect: (handle: SandboxHandle) => Promise<void>
  /** Tells of each change, once. Never fails. */
  readonly announce: (change: Change) => Promise<void>
  readonly now: () => Date
  /** Monotonic, in ms. */
  readonly monotonic: () => number
  readonly at: (point: string) => void
}

/** What was asked of a sandbox, and under which condition it still stands when the sandbox is free. */
export interface Order {
  readonly why: Why
  /** Looked at when nobody else works on the sandbox: false = not any more, and nothing happens. */
  readonly when?: (record: SandboxRecord) => boolean
}
const ORDERED: Order = { why: ASKED }

export interface Made {
  readonly record: SandboxRecord
  readonly timings: Readonly<Record<string, number>>
}

/** The ways between states, each under the sandbox's own lock, each ending in a state that is true, each told once. */
export class Lifecycle {
  readonly #deps: LifecycleDeps

  constructor(deps: LifecycleDeps) {
    this.#deps = deps
  }

  /** Makes and, with `start`, starts a sandbox whose record is in the store; `first` comes before all. Whatever fails, nothing is left of it. */
  async make(record: SandboxRecord, start: boolean, signal: AbortSignal, first?: () => Promise<void>): Promise<Made> {
    const { locks, monotonic, announce } = this.#deps
    const timings: Record<string, number> = {}
    const began = monotonic()
    try {
      return await locks.hold(record.id, signal, async (held) => {
        const limited = AbortSignal.any([held, AbortSignal.timeout(START_LIMIT_MS)])
        await first?.()
        let made = await this.#steps('create', record, limited, timings)
        if (start) made = await this.#steps('start', made, limited, timings)
        made = this.#settle(made, start ? 'running' : 'stopped')
        const total = Math.round((monotonic() - began) * 10) / 10
        await announce({ what: 'created', record: made, why: ASKED, durationMs: total })
        if (start) await announce({ what: 'started', record: made, why: ASKED, durationMs: total })
        return { record: made, timings: { ...timings, total } }
      })
    } catch (error) {
      await this.#unmake(record.id)
      throw ours(error, record.name)
    }
  }

  /** One that runs already is a success. Errors: `sandbox_archived`, `busy`, those of the driver; then it is `failed` and says why. */
  async start(id: string, signal: AbortSignal): Promise<Made> {
    const timings: Record<string, number> = {}
    const record = await this.#transition('start', id, { order: ORDERED, signal, limitMs: START_LIMIT_MS }, async (current, held) => {
      if (current.state === 'running') return undefined
      try {
        const started = this.#settle(await this.#steps('start', current, held, timings), TRANSITIONS.start.to)
        return { what: 'started', record: started }
      } catch (error) {
        await this.#fail(current.id, error)
        throw error
      }
    })
    return { record, timings }
  }

  stop(id: string, signal: AbortSignal, order = ORDERED): Promise<SandboxRecord> {
    return this.#transition('stop', id, { order, signal, limitMs: END_LIMIT_MS }, async (current, held) => {
      // One that was put away stays so until it is recovered.
      if (current.state === 'archived') return undefined
      const stopped = this.#settle(await this.#end(current, held), TRANSITIONS.stop.to)
      return current.state === 'running' ? { what: 'stopped', record: stopped } : { record: stopped }
    })
  }

  /** Stops it, if it runs, and puts it away until it is recovered; its files stay. */
  archive(id: string, signal: AbortSignal, order: Order): Promise<SandboxRecord> {
    return this.#transition('archive', id, { order, signal, limitMs: END_LIMIT_MS }, async (current, held) => {
      const ended = await this.#end(current, held)
      if (current.state === 'archived') return { record: this.#settle(ended, TRANSITIONS.archive.to) }
      const marks = { archivedAt: this.#deps.now().toISOString(), archivedReason: order.why.text }
      return { what: 'archived', record: this.#settle(this.#deps.store.update(ended.id, marks) ?? ended, TRANSITIONS.archive.to) }
    })
  }

  /** Makes an archived or failed sandbox an ordinary stopped one. One that runs is left alone. */
  recover(id: string, signal: AbortSignal): Promise<SandboxRecord> {
    return this.#transition('recover', id, { order: ORDERED, signal, limitMs: END_LIMIT_MS }, async (current, held) => {
      if (current.state === 'running') return undefined
      const ended = await this.#end(current, held)
      const marks = { archivedAt: null, archivedReason: null, failure: null, lastActivityAt: this.#deps.now().toISOString() }
      return { what: 'recovered', record: this.#settle(this.#deps.store.update(ended.id, marks) ?? ended, TRANSITIONS.recover.to) }
    })
  }

  /** Legal from every state. Whoever works on the sandbox is interrupted; removing one that is gone is a success. */
  async remove(id: string, order = ORDERED): Promise<void> {
    const { store, locks, announce } = this.#deps
    const before = store.byId(id)
    // Asked and written down in one breath, so that nothing comes between.
    if (before === undefined || order.when?.(before) === false) return
    store.update(id, { state: 'removing' })
    locks.interrupt(id)
    // From here on it is finished even when the caller leaves.
    await locks.hold(id, new AbortController().signal, async () => {
      const current = store.byId(id)
      if (current === undefined) return
      await this.#steps('remove', current, AbortSignal.timeout(END_LIMIT_MS), {})
      await this.#disconnect(current)
      await this.#deps.forgetSecrets(current)
      store.delete(id)
      // Of one that was never whole nobody has heard.
      if (before.state !== 'creating') await announce({ what: 'deleted', record: { ...before, step: null }, why: order.why })
    })
  }

  /**
   * The connection to a sandbox was lost. One that still answers is left alone, and the result is true; of any other what is left is
   * ended, and its record says so as soon as nobody works on it.
   */
  async lost(id: string, why: Why): Promise<boolean> {
    const { store, locks, announce } = this.#deps
    return locks.hold(id, AbortSignal.timeout(END_LIMIT_MS), async (held) => {
      const current = store.byId(id)
      const handle = current === undefined ? undefined : handleOf(current)
      if (current?.state !== 'running' || handle === undefined) return false
      const verbs = await this.#verbs(current)
      if ((await verbs.inspect(handle, held)) === 'running' && (await this.#answers(handle))) return true
      const stopped = this.#settle(await this.#end(current, held), 'stopped')
      await announce({ what: 'stopped', record: stopped, why })
      return false
    })
  }

  async #answers(handle: SandboxHandle): Promise<boolean> {
    try {
      await this.#deps.greet(handle, AbortSignal.timeout(ANSWER_LIMIT_MS))
      return true
    } catch (error) {
      ignore(error, 'no answer is an answer')
      return false
    }
  }

  /** Runs `work` when the sandbox is free, if the order still stands. `work` answers what changed; undefined = nothing. */
  async #transition(
    transition: Transition,
    id: string,
    { order, signal, limitMs }: { readonly order: Order; readonly signal: AbortSignal; readonly limitMs: number },
    work: (
      record: SandboxRecord,
      signal: AbortSignal,
    ) => Promise<{ readonly what?: Change['what']; readonly record: SandboxRecord } | undefined>,
  ): Promise<SandboxRecord> {
    const { store, locks, announce } = this.#deps
    return locks.hold(id, signal, async (held) => {
      const current = store.byId(id)
      if (current === undefined) throw new AppError('sandbox_not_found', 'Sandbox not found')
      if (order.when?.(current) === false) return current
      requireLegal(transition, current.name, current.state)
      try {
        const done = await work(current, AbortSignal.any([held, AbortSignal.timeout(limitMs)]))
        if (done?.what !== undefined) await announce({ what: done.what, record: done.record, why: order.why })
        return done?.record ?? current
      } catch (error) {
        throw ours(error, current.name)
      }
    })
  }

  /** The state a transition ended in. A removal that was asked for meanwhile stays one. */
  #settle(record: SandboxRecord, state: SandboxState): SandboxRecord {
    const change = {
      state,
      step: null,
      failure: null,
      ...(state === 'running' ? { startedAt: this.#deps.now().toISOString() } : {}),
    }
    const settled = this.#deps.store.update(record.id, change, ['creating', 'running', 'stopped', 'archived', 'failed'])
    if (settled === undefined) throw new AppError('canceled', `sandbox "${record.name}" is being removed`)
    return settled
  }

  async #steps(list: StepList, record: SandboxRecord, signal: AbortSignal, timings: Record<string, number>): Promise<SandboxRecord> {
    const { store, greet, specForStart, openNetwork, at, monotonic } = this.#deps
    const verbs = await this.#verbs(record)
    return runSteps({ store, now: monotonic, at }, list, { record, verbs, signal, greet, specForStart, openNetwork }, timings)
  }

  /** Ends what runs, and lets go of it last: commands that end in good order are heard to the end. */
  async #end(current: SandboxRecord, signal: AbortSignal): Promise<SandboxRecord> {
    const ended = await this.#steps('stop', current, signal, {})
    await this.#disconnect(current)
    return ended
  }

  async #disconnect(record: SandboxRecord): Promise<void> {
    await this.#deps.closeNetwork(record.id)
    try {
      const handle = handleOf(record)
      if (handle !== undefined) await this.#deps.disconnect(handle)
    } catch (error) {
      ignore(error, 'there is nothing to let go of: it has ended by itself')
    }
  }

  /** Takes back a start that failed: what of it runs is ended, and the record says why. */
  async #fail(id: string, error: unknown): Promise<void> {
    const { store, announce } = this.#deps
    const current = store.byId(id)
    if (current === undefined || current.state === 'removing') return
    try {
      await this.#end(current, AbortSignal.timeout(END_LIMIT_MS))
    } catch (second) {
      ignore(second, 'the first failure is the one to report; the next start or removal tries again')
    }
    const reason = error instanceof Error ? error : new AppError('internal', String(error))
    const failed = store.update(id, { state: 'failed', failure: reason.message, step: null }, ['creating', 'running', 'stopped', 'failed'])
    if (failed !== undefined) await announce({ what: 'failed', record: failed, why: ASKED, error: reason })
  }

  async #unmake(id: string): Promise<void> {
    const { store, locks } = this.#deps
    if (store.update(id, { state: 'removing' }) === undefined) return
    try {
      await locks.hold(id, AbortSignal.timeout(END_LIMIT_MS), async (held) => {
        const current = store.byId(id)
        if (current === undefined) return
        await this.#steps('remove', current, held, {})
        await this.#disconnect(current)
        store.delete(id)
      })
    } catch (error) {
      ignore(error, 'it stays in state removing, which the next start of the daemon finishes')
    }
  }

  async #verbs(record: SandboxRecord): Promise<SandboxVerbs> {
    return verbsOf(await this.#deps.driver(record.backend))
  }
}

/** Errors: `not_available_yet`. */
export function verbsOf(driver: Driver): SandboxVerbs {
  if (driver.sandboxes !== undefined) return driver.sandboxes
  throw new AppError('not_available_yet', `backend "${driver.name}" cannot keep sandboxes in this release`)
}

/** What the platform throws when a signal is aborted, in the words of the error table. */
export function ours(error: unknown, name: string): unknown {
  if (isAppError(error) || !(error instanceof Error)) return error
  if (error.name === 'TimeoutError')
    return new AppError('timed_out', `sandbox "${name}" took too long`, { cause: error, fix: 'Try again; see the daemon log.' })
  if (error.name === 'AbortError') return new AppError('canceled', `the request about sandbox "${name}" was withdrawn`, { cause: error })
  return error
}
