import { AppError } from '../contract/errors.ts'

const MOST_WAITING = 1_024
const WAIT_LIMIT_MS = 30_000

interface Waiter {
  readonly go: () => void
  readonly fail: (error: AppError) => void
  readonly limit: Timer
}

/** A number of places, given in the order of asking. Waiting is limited in number and time; then it is `too_many_requests`. */
export class Slots {
  #free: number
  readonly #mostWaiting: number
  readonly #limitMs: number
  readonly #waiting = new Set<Waiter>()
  #closed: AppError | undefined

  /** `mostWaiting` may stand in line (default 1024), each for `limitMs` (default 30 s). */
  constructor(places: number, options: { readonly mostWaiting?: number; readonly limitMs?: number } = {}) {
    this.#free = places
    this.#mostWaiting = options.mostWaiting ?? MOST_WAITING
    this.#limitMs = options.limitMs ?? WAIT_LIMIT_MS
  }

  /** Calls `go`, perhaps at once, when a place is the caller's, who must `give` it back; or `fail`. The result leaves the line. */
  take(go: () => void, fail: (error: AppError) => void): () => void {
    const nothing = () => undefined
    if (this.#closed !== undefined) fail(this.#closed)
    else if (this.#free > 0) {
      this.#free--
      go()
    } else if (this.#waiting.size < this.#mostWaiting) return this.#wait(go, fail)
    else fail(tooMany(`${this.#mostWaiting} more wait for their turn`))
    return nothing
  }

  give(): void {
    for (const waiter of this.#waiting) {
      this.#leave(waiter)
      waiter.go()
      return
    }
    this.#free++
  }

  /** There are no places any more. */
  close(error: AppError): void {
    this.#closed = error
    for (const waiter of this.#waiting) {
      this.#leave(waiter)
      waiter.fail(error)
    }
  }

  #wait(go: () => void, fail: (error: AppError) => void): () => void {
    const expire = () => {
      this.#leave(waiter)
      fail(tooMany(`none ended within ${this.#limitMs} ms`))
    }
    const waiter: Waiter = { go, fail, limit: setTimeout(expire, this.#limitMs) }
    this.#waiting.add(waiter)
    return () => this.#leave(waiter)
  }

  #leave(waiter: Waiter): void {
    clearTimeout(waiter.limit)
    this.#waiting.delete(waiter)
  }
}

const tooMany = (why: string): AppError =>
  new AppError('too_many_requests', `as many operations as a sandbox can have at once are open, and ${why}`)
