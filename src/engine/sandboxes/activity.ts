import { ignore } from '../../lib/ignore.ts'
import type { SandboxStore } from '../../store/sandboxes/store.ts'

/** How long activity waits to be written down, in ms. A crash loses no more than that of it. */
const FLUSH_MS = 1_000

/** When each sandbox was last used. Written together, because a busy one is used hundreds of times a second. */
export class Activity {
  readonly #store: SandboxStore
  readonly #now: () => Date
  readonly #recent = new Map<string, Date>()
  /** How many things are going on in each. */
  readonly #held = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  constructor(store: SandboxStore, now: () => Date) {
    this.#store = store
    this.#now = now
  }

  touch(id: string): void {
    this.#recent.set(id, this.#now())
    this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS)
  }

  /** Something goes on in the sandbox until the function that is answered is called: a command, a transfer. Call it once. */
  hold(id: string): () => void {
    this.#held.set(id, (this.#held.get(id) ?? 0) + 1)
    this.touch(id)
    return () => {
      const left = (this.#held.get(id) ?? 1) - 1
      if (left > 0) this.#held.set(id, left)
      else this.#held.delete(id)
      this.touch(id)
    }
  }

  /** Writes down what is known. Call it before the end, and before a decision on the written times. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const id of this.#held.keys()) this.#recent.set(id, this.#now())
    for (const [id, time] of this.#recent) {
      try {
        this.#store.update(id, { lastActivityAt: time.toISOString() })
      } catch (error) {
        ignore(error, 'the next use of the sandbox is written down again')
      }
    }
    this.#recent.clear()
  }
}
