import { CODE, ConnectionError, TYPE } from './frames.ts'

const WINDOW_MS = 1_000
const MOST_COST = 100_000
/** What a frame costs us that carries nothing. */
const COSTS: Readonly<Record<number, number>> = {
  [TYPE.data]: 3,
  [TYPE.headers]: 5,
  [TYPE.priority]: 10,
  [TYPE.rstStream]: 100,
  [TYPE.settings]: 50,
  [TYPE.ping]: 20,
  [TYPE.windowUpdate]: 1,
  [TYPE.continuation]: 20,
}

/** Counts frames that cost more to take than to send: of those a second has room for so many. */
export class FloodGuard {
  #sinceMs = 0
  #cost = 0

  /** Throws ConnectionError. */
  count(type: number, length: number): void {
    if (type === TYPE.data && length > 0) return
    const nowMs = performance.now()
    if (nowMs - this.#sinceMs > WINDOW_MS) {
      this.#sinceMs = nowMs
      this.#cost = 0
    }
    this.#cost += COSTS[type] ?? 10
    if (this.#cost > MOST_COST) throw new ConnectionError(CODE.enhanceYourCalm, 'too many frames')
  }
}
