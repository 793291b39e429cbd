import type { LifecycleEvent, LifecycleEventName } from '../../contract/sandboxes.ts'
import type { SandboxRecord, SandboxStore, StoredEvent } from '../../store/sandboxes/store.ts'

/** Events read from the store at once by somebody who catches up. */
const BATCH = 200

/** What happened, kept in the store and told to everybody who listens. The store is the queue: a slow listener loses nothing. */
export class EventBus {
  readonly #store: SandboxStore
  readonly #now: () => Date
  readonly #waiting = new Set<() => void>()

  constructor(store: SandboxStore, now: () => Date) {
    this.#store = store
    this.#now = now
  }

  emit(
    event: LifecycleEventName,
    sandbox: Pick<SandboxRecord, 'name' | 'labels' | 'backend'>,
    metadata: Readonly<Record<string, unknown>> = {},
  ): void {
    const timestamp = this.#now().toISOString()
    this.#store.appendEvent({
      event,
      timestamp,
      sandbox: sandbox.name,
      labels: sandbox.labels,
      metadata: { backend: sandbox.backend, ...metadata },
    })
    for (const wake of this.#waiting) wake()
  }

  /** Events with a number above `after` (default: those from now on), optionally of one sandbox, until `signal` is aborted. */
  async *listen(input: { readonly after?: number; readonly sandbox?: string }, signal: AbortSignal): AsyncGenerator<LifecycleEvent> {
    const last = this.#store.lastEventSeq()
    // A number of another store, which was replaced, would hear nothing until ours got there.
    let seen = Math.min(input.after ?? last, last)
    while (!signal.aborted) {
      const batch = this.#store.eventsAfter(seen, BATCH)
      for (const event of batch) {
        seen = event.seq
        if (input.sandbox === undefined || input.sandbox === event.sandbox) yield asEvent(event)
        if (signal.aborted) return
      }
      if (batch.length === 0) await this.#next(signal)
    }
  }

  /** Resolves at the next event, or when `signal` is aborted. */
  async #next(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake, { once: true })
      if (signal.aborted) wake()
    })
  }
}

function asEvent({ seq, event, timestamp, sandbox, labels, metadata }: StoredEvent): LifecycleEvent {
  // Only `emit` writes events, and its names are these.
  return { id: seq, event: event as LifecycleEventName, timestamp, sandbox, labels, metadata }
}
