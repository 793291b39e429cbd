import { AppError } from '../../contract/errors.ts'

/** How long a request waits for another one on the same sandbox, in ms. A start that hangs is given up earlier. */
const LOCK_LIMIT_MS = 120_000

/** One lock for each sandbox: changes of its state follow one another, and no other sandbox waits for them. */
export class SandboxLocks {
  readonly #tails = new Map<string, Promise<void>>()
  readonly #aborts = new Map<string, AbortController>()

  /**
   * Runs `work` when nobody else works on `id`. Its signal is aborted by `interrupt` as well.
   * Errors: `busy` when the wait takes too long, `canceled`.
   */
  async hold<T>(id: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const before = this.#tails.get(id) ?? Promise.resolve()
    let release = (): void => undefined
    const mine = new Promise<void>((resolve) => (release = resolve))
    const tail = before.then(() => mine)
    this.#tails.set(id, tail)
    try {
      await waitFor(before, id, signal)
      const abort = new AbortController()
      this.#aborts.set(id, abort)
      try {
        return await work(AbortSignal.any([signal, abort.signal]))
      } finally {
        this.#aborts.delete(id)
      }
    } finally {
      release()
      if (this.#tails.get(id) === tail) this.#tails.delete(id)
    }
  }

  /** Asks whoever works on `id` to give up: its removal does not wait for a start that hangs. */
  interrupt(id: string): void {
    this.#aborts.get(id)?.abort(new AppError('canceled', 'the sandbox is being removed'))
  }
}

async function waitFor(before: Promise<void>, id: string, signal: AbortSignal): Promise<void> {
  if (signal.aborted) throw new AppError('canceled', 'the request was withdrawn')
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new AppError('busy', `another request works on sandbox ${id}`)), LOCK_LIMIT_MS)
    const onAbort = (): void => reject(new AppError('canceled', 'the request was withdrawn'))
    signal.addEventListener('abort', onAbort, { once: true })
    void before.then(resolve).finally(() => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    })
  })
}
