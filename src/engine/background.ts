import { ignore } from '../lib/ignore.ts'

/** Pause before work that failed begins again, in ms. */
const AGAIN_MS = 1_000

/**
 * Work that nobody waits for. Only here may a promise float: what fails is logged, what goes on for ever begins again, and `end` waits for all
 * of it, for so long and no longer.
 */
export class Background {
  readonly #log: (text: string) => void
  readonly #stop = new AbortController()
  readonly #underWay = new Set<Promise<void>>()

  constructor(log: (text: string) => void) {
    this.#log = log
  }

  /** Aborted when everything ends. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** Does something once. */
  run(name: string, work: (signal: AbortSignal) => Promise<unknown>): void {
    const done = this.#once(name, work).finally(() => this.#underWay.delete(done))
    this.#underWay.add(done)
  }

  /** Does something until the end, again after a pause when it fails. */
  keep(name: string, work: (signal: AbortSignal) => Promise<unknown>): void {
    this.run(name, async (signal) => {
      while (!signal.aborted) {
        await this.#once(name, work)
        await pause(AGAIN_MS, signal)
      }
    })
  }

  /** Tells everything to end and waits at most so many ms. Never rejects. */
  async end(limitMs: number): Promise<void> {
    this.#stop.abort()
    await Promise.race([Promise.all(this.#underWay), pause(limitMs, new AbortController().signal)])
  }

  async #once(name: string, work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    try {
      await work(this.#stop.signal)
    } catch (error) {
      ignore(error, 'said in the log, which is all that there is to tell')
      if (!this.#stop.signal.aborted) this.#log(`${name}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}

/** Resolves after so many ms, or at once when `signal` is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    timer.unref()
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
  })
}
