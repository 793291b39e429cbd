import type { HookTarget } from './hook-target.ts'
import type { HookPayload } from './payload.ts'

/** What waits for a target that is slow; what comes on top is dropped, and counted. */
const MOST_WAITING = 1_000
const QUIET_MS = 60_000

/** Hands over to one target what its hook is told, without ever holding up who tells it. */
export class HookWorker {
  readonly #target: HookTarget
  readonly #tell: (problem: string) => void
  readonly #waiting: HookPayload[] = []
  readonly #ended = new AbortController()
  readonly #underWay = new Set<Promise<void>>()
  #dropped = 0
  #lastToldMs = Number.NEGATIVE_INFINITY

  /** `tell`: a sentence for the log, once a minute at most. */
  constructor(target: HookTarget, tell: (problem: string) => void) {
    this.#target = target
    this.#tell = tell
  }

  push(payload: HookPayload): void {
    if (this.#ended.signal.aborted) return
    if (this.#waiting.length >= MOST_WAITING) {
      this.#dropped++
      return this.#problem(`its target is too slow: ${this.#dropped} requests were not told`)
    }
    this.#waiting.push(payload)
    this.#begin()
  }

  /** Waits at most so long for what is under way, then gives up the rest. Never rejects. */
  async end(limitMs: number): Promise<void> {
    const deadline = Date.now() + limitMs
    while (this.#underWay.size > 0 && Date.now() < deadline) {
      await Promise.race([Promise.all(this.#underWay), Bun.sleep(deadline - Date.now())])
    }
    this.#ended.abort()
    this.#waiting.length = 0
  }

  #begin(): void {
    while (this.#underWay.size < this.#target.atOnce && this.#waiting.length > 0) {
      const work = this.#deliver().finally(() => {
        this.#underWay.delete(work)
        this.#begin()
      })
      this.#underWay.add(work)
    }
  }

  async #deliver(): Promise<void> {
    // What comes in the same moment goes together.
    await Promise.resolve()
    const payloads = this.#waiting.splice(0, this.#target.batch)
    if (payloads.length === 0) return
    try {
      await this.#target.deliver(payloads, this.#ended.signal)
    } catch (error) {
      if (!this.#ended.signal.aborted) this.#problem(error instanceof Error ? error.message : String(error))
    }
  }

  #problem(text: string): void {
    const nowMs = performance.now()
    if (nowMs - this.#lastToldMs < QUIET_MS) return
    this.#lastToldMs = nowMs
    this.#tell(text)
  }
}
