import { AppError } from '../contract/errors.ts'

/**
 * The requests that are under way, answers that still stream included, and how they come to an end when the server stops: first no new
 * ones, and whatever never ends by itself is closed; later the rest is let go.
 */
export class Traffic {
  readonly #most: number
  readonly #closing = new AbortController()
  readonly #forced = new AbortController()
  readonly #idle = new Set<() => void>()
  #count = 0

  constructor(most: number) {
    this.#most = most
  }

  /** Aborted when the server begins to stop: streams without an end close. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** Aborted when its patience is over: requests are answered 503, and what streams is cut. */
  get forced(): AbortSignal {
    return this.#forced.signal
  }

  get count(): number {
    return this.#count
  }

  /** Counts a request until the function that it gives is called. Errors: `shutting_down`, `too_many_requests`. */
  enter(): () => void {
    if (this.closing.aborted) throw new AppError('shutting_down', 'the server is shutting down')
    if (this.#count >= this.#most) throw new AppError('too_many_requests', `${this.#most} requests are under way`)
    this.#count += 1
    let left = false
    return () => {
      if (left) return
      left = true
      this.#count -= 1
      if (this.#count === 0) for (const wake of this.#idle) wake()
    }
  }

  /** Lets no new request in and waits until those under way are done, at most `graceMs`. Calling it again joins the wait. */
  async drain(graceMs: number): Promise<void> {
    this.#closing.abort()
    if (this.#count > 0) await this.#untilIdle(graceMs)
    this.#forced.abort()
  }

  async #untilIdle(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      const wake = (): void => {
        clearTimeout(timer)
        this.#idle.delete(wake)
        resolve()
      }
      this.#idle.add(wake)
    })
  }
}
