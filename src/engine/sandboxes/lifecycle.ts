import { AppError, isAppError } from '../../contract/errors.ts'
import type { SandboxState } from '../../contract/sandboxes.ts'
import type { Driver, SandboxHandle, SandboxVerbs } from '../../drivers/driver.ts'
import { ignore } from '../../lib/ignore.ts'
import type { SandboxRecord, SandboxStore } from '../../store/sandboxes/store.ts'
import type { EventBus } from './events.ts'
import type { SandboxLocks } from './locks.ts'
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
  readonly events: EventBus
  /** The driver of a sandbox. Errors: `backend_unknown`, `not_available_yet`. */
  readonly driver: (name: string | undefined) => Promise<Driver>
  readonly greet: (handle: SandboxHandle, signal: AbortSignal) => Promise<void>
  /** Lets go of what connects us to a sandbox that is ending. */
  readonly disconnect: (handle: SandboxHandle) => Promise<void>
  readonly now: () => Date
  /** Monotonic, in ms. */
  readonly monotonic: () => number
  readonly at: (point: string) => void
}

/** The ways between states, each under the sandbox's own lock and each ending in a state that is true. */
export class Lifecycle {
  readonly #deps: LifecycleDeps

  constructor(deps: LifecycleDeps) {
    this.#deps = deps
  }

  /** Makes and, with `start`, starts a sandbox whose record is in the store. Whatever fails, nothing is left of it. */
  async make(
    record: SandboxRecord,
    start: boolean,
    signal: AbortSignal,
  ): Promise<{ record: SandboxRecord; timings: Record<string, number> }> {
    const timings: Record<string, number> = {}
    return this.#deps.locks.hold(record.id, signal, async (held) => {
      const limited = AbortSignal.any([held, AbortSignal.timeout(START_LIMIT_MS)])
      try {
        let made = await this.#steps('create', record, limited, timings)
        if (start) made = await this.#steps('start', made, limited, timings)
        return { record: this.#settle(made, start ? 'running' : 'stopped'), timings }
      } catch (error) {
        await this.#unmake(record.id)
        throw error
      }
    })
  }

  /** Errors: `sandbox_archived`, `busy`, those of the driver; then it is `failed` and says why. */
  async start(id: string, signal: AbortSignal): Promise<{ record: SandboxRecord; timings: Record<string, number> }> {
    const timings: Record<string, number> = {}
    const record = await this.#transition('start', id, signal, START_LIMIT_MS, async (current, held) => {
      if (current.state === 'running') return current
      try {
        return await this.#steps('start', current, held, timings)
      } catch (error) {
        await this.#fail(current.id, error)
        throw error
      }
    })
    return { record, timings }
  }

  stop(id: string, signal: AbortSignal): Promise<SandboxRecord> {
    return this.#transition('stop', id, signal, END_LIMIT_MS, (current, held) => this.#end(current, held))
  }

  /** Stops it, if it runs, and puts it away until it is recovered; its files stay. */
  archive(id: string, reason: string, signal: AbortSignal): Promise<SandboxRecord> {
    return this.#transition('archive', id, signal, END_LIMIT_MS, async (current, held) => {
      const ended = await this.#end(current, held)
      const marks = { archivedAt: this.#deps.now().toISOString(), archivedReason: reason }
      return this.#deps.store.update(ended.id, marks) ?? ended
    })
  }

  recover(id: string, signal: AbortSignal): Promise<SandboxRecord> {
    return this.#transition('recover', id, signal, END_LIMIT_MS, async (current, held) => {
      if (current.state === 'running') return current
      const ended = await this.#end(current, held)
      return this.#deps.store.update(ended.id, { archivedAt: null, archivedReason: null, failure: null }) ?? ended
    })
  }

  /** Legal from every state. Whoever works on the sandbox is interrupted; removing one that is gone is a success. */
  async remove(id: string, signal: AbortSignal): Promise<void> {
    const { store, locks } = this.#deps
    if (store.update(id, { state: 'removing' }) === undefined) return
    locks.interrupt(id)
    // From here on it is finished even when the caller leaves.
    await locks.hold(id, new AbortController().signal, async () => {
      const current = store.byId(id)
      if (current === undefined) return
      await this.#steps('remove', current, AbortSignal.timeout(END_LIMIT_MS), {})
      store.delete(id)
      this.#deps.events.emit('sandbox.deleted', current, { backend: current.backend })
    })
    signal.throwIfAborted()
  }

  /**
   * The connection to a sandbox was lost. One that still answers is left alone, and the result is true; of any other what is left is
   * ended, and its record says so as soon as nobody works on it.
   */
  async lost(id: string, reason: string): Promise<boolean> {
    const { store, locks } = this.#deps
    return locks.hold(id, AbortSignal.timeout(END_LIMIT_MS), async (held) => {
      const current = store.byId(id)
      const verbs = current === undefined ? undefined : await this.#verbs(current)
      if (current?.state !== 'running' || verbs === undefined || current.handle === null) return false
      const handle = JSON.parse(current.handle) as SandboxHandle
      if ((await verbs.inspect(handle, held)) === 'running' && (await this.#answers(handle))) return true
      await this.#end(current, held)
      store.update(id, { state: 'stopped', failure: null, step: null })
      this.#deps.events.emit('sandbox.stopped', current, { reason })
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

  async #transition(
    transition: Transition,
    id: string,
    signal: AbortSignal,
    limitMs: number,
    work: (record: SandboxRecord, signal: AbortSignal) => Promise<SandboxRecord>,
  ): Promise<SandboxRecord> {
    const { store, locks } = this.#deps
    return locks.hold(id, signal, async (held) => {
      const current = store.byId(id)
      if (current === undefined) throw new AppError('sandbox_not_found', 'Sandbox not found')
      requireLegal(transition, current.name, current.state)
      const done = await work(current, AbortSignal.any([held, AbortSignal.timeout(limitMs)]))
      return this.#settle(done, TRANSITIONS[transition].to ?? done.state)
    })
  }

  /** The state a transition ended in. A removal that was asked for meanwhile stays one. */
  #settle(record: SandboxRecord, state: SandboxState): SandboxRecord {
    const change = {
      state,
      step: null,
      ...(state === 'running' && record.state !== 'running' ? { startedAt: this.#deps.now().toISOString(), failure: null } : {}),
    }
    const settled = this.#deps.store.update(record.id, change, ['creating', 'running', 'stopped', 'archived', 'failed'])
    if (settled === undefined) throw new AppError('canceled', `sandbox "${record.name}" is being removed`)
    return settled
  }

  async #steps(list: StepList, record: SandboxRecord, signal: AbortSignal, timings: Record<string, number>): Promise<SandboxRecord> {
    const { store, greet, at, monotonic } = this.#deps
    const verbs = await this.#verbs(record)
    return runSteps({ store, now: monotonic, at }, list, { record, verbs, signal, greet }, timings)
  }

  async #end(current: SandboxRecord, signal: AbortSignal): Promise<SandboxRecord> {
    if (current.state === 'running') await this.#disconnect(current)
    return this.#steps('stop', current, signal, {})
  }

  async #disconnect(record: SandboxRecord): Promise<void> {
    if (record.handle === null) return
    try {
      await this.#deps.disconnect(JSON.parse(record.handle) as SandboxHandle)
    } catch (error) {
      ignore(error, 'there is nothing to let go of: it has ended by itself')
    }
  }

  /** Takes back a start that failed: what of it runs is ended, and the record says why. */
  async #fail(id: string, error: unknown): Promise<void> {
    const current = this.#deps.store.byId(id)
    if (current === undefined || current.state === 'removing') return
    try {
      await this.#end(current, AbortSignal.timeout(END_LIMIT_MS))
    } catch (second) {
      ignore(second, 'the first failure is the one to report; the next start or removal tries again')
    }
    const failure = error instanceof Error ? error.message : String(error)
    this.#deps.store.update(id, { state: 'failed', failure, step: null }, ['creating', 'running', 'stopped', 'failed'])
    this.#deps.events.emit('sandbox.failed', current, { error: isAppError(error) ? error.code : 'internal' })
  }

  async #unmake(id: string): Promise<void> {
    const { store } = this.#deps
    const current = store.update(id, { state: 'removing' })
    if (current === undefined) return
    try {
      await this.#steps('remove', current, AbortSignal.timeout(END_LIMIT_MS), {})
      store.delete(id)
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
