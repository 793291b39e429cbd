import { addSpend, type LlmBudget, type LlmCall, type LlmSpend, NO_SPEND } from '../../contract/llm.ts'
import { isAppError } from '../../contract/errors.ts'
import type { LlmStore } from './llm-store.ts'

/** Most calls that wait to be written; beyond, the oldest are only counted for budgets. */
const MOST_WAITING = 10_000
/** Pause before the next attempt at what could not be written, in ms. */
const RETRY_MS = 1000

/**
 * The store as a gateway uses it: a call is written at once; when another process holds the file, it waits here and counts all the same. Reading
 * fails like the store does; writing never does.
 */
export class SpendingBook {
  readonly #open: () => LlmStore
  readonly #failed: (error: Error) => void
  #store: LlmStore | undefined
  #waiting: LlmCall[] = []
  /** Sums of calls that were given up, by sandbox and day. */
  readonly #lost = new Map<string, { readonly sandbox: string; readonly day: string; readonly spend: LlmSpend }>()
  #timer: ReturnType<typeof setTimeout> | undefined

  /** `open` is called at the first use; `failed` is told once for each row of failures. */
  constructor(open: () => LlmStore, failed: (error: Error) => void) {
    this.#open = open
    this.#failed = failed
  }

  record(call: LlmCall): void {
    this.#waiting.push(call)
    if (this.#waiting.length > MOST_WAITING) this.#lose()
    if (this.#timer === undefined) this.#write(true)
  }

  spent(input: { readonly sandbox?: string; readonly fromDay?: string }): LlmSpend {
    const counts = (sandbox: string, day: string): boolean => (input.sandbox ?? sandbox) === sandbox && day >= (input.fromDay ?? '')
    const waiting = this.#waiting.filter(({ sandbox, time }) => counts(sandbox, time)).map(spendOf)
    const lost = [...this.#lost.values()].filter(({ sandbox, day }) => counts(sandbox, day)).map(({ spend }) => spend)
    return [...waiting, ...lost].reduce(addSpend, this.#opened().spent(input))
  }

  budget(sandbox?: string): LlmBudget | undefined {
    return this.#opened().budget(sandbox)
  }

  /** Writes what waits, if it can, and lets the file go. */
  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#waiting.length > 0) this.#write(false)
    this.#store?.close()
    this.#store = undefined
  }

  #opened(): LlmStore {
    return (this.#store ??= this.#open())
  }

  #write(again: boolean): void {
    try {
      this.#opened().record(this.#waiting)
      this.#waiting = []
    } catch (error) {
      if (!isAppError(error)) throw error
      this.#failed(error)
      if (!again) return
      this.#timer = setTimeout(() => {
        this.#timer = undefined
        this.#write(true)
      }, RETRY_MS)
      this.#timer.unref?.()
    }
  }

  #lose(): void {
    for (const call of this.#waiting.splice(0, MOST_WAITING / 2)) {
      const day = call.time.slice(0, 10)
      const key = `${day}/${call.sandbox}`
      this.#lost.set(key, { sandbox: call.sandbox, day, spend: addSpend(this.#lost.get(key)?.spend ?? NO_SPEND, spendOf(call)) })
    }
  }
}

function spendOf(call: LlmCall): LlmSpend {
  const tokens = call.total_tokens ?? 0
  const unpriced = call.cost_usd === undefined && tokens > 0 ? 1 : 0
  return { tokens, usd: call.cost_usd ?? 0, requests: 1, bytes_out: call.bytes_out, unpriced }
}
