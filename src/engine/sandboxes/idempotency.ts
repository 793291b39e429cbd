import { createHash } from 'node:crypto'
import { AppError } from '../../contract/errors.ts'
import { ignore } from '../../lib/ignore.ts'
import type { SandboxStore } from '../../store/sandboxes/store.ts'

/** Requests that carry a key and must happen once. */
export class Idempotency {
  readonly #store: SandboxStore
  readonly #now: () => Date
  readonly #underWay = new Map<string, { readonly requestHash: string; readonly result: Promise<unknown> }>()

  constructor(store: SandboxStore, now: () => Date) {
    this.#store = store
    this.#now = now
  }

  /**
   * Runs `work` once for a key: the same request again gets the same reply, also while the first is under way. A request that
   * failed may be tried again. Without a key, just runs it. Errors: `idempotency_mismatch`, `invalid_argument`, those of `work`.
   */
  async once<T>(key: string | undefined, request: unknown, work: () => Promise<T>): Promise<T> {
    if (key === undefined) return work()
    if (!/^[\x21-\x7e]{1,255}$/.test(key)) throw new AppError('invalid_argument', 'an Idempotency-Key is 1 to 255 visible characters')
    const requestHash = createHash('sha256').update(JSON.stringify(request)).digest('hex')
    const first = this.#underWay.get(key) ?? this.#kept(key)
    if (first !== undefined) {
      if (first.requestHash !== requestHash) throw new AppError('idempotency_mismatch', `the key "${key}" was used for another request`)
      // Both were made by this function for the same request, so the type is that of `work`.
      return first.result as Promise<T>
    }
    const result = this.#first(key, requestHash, work)
    this.#underWay.set(key, { requestHash, result })
    return result.finally(() => this.#underWay.delete(key))
  }

  #kept(key: string): { readonly requestHash: string; readonly result: Promise<unknown> } | undefined {
    const kept = this.#store.reply(key)
    // Without a body: it failed just now, or a crash came before its end and what was half made is gone.
    if (kept === undefined || kept.body === null) return undefined
    return { requestHash: kept.requestHash, result: Promise.resolve(JSON.parse(kept.body)) }
  }

  async #first<T>(key: string, requestHash: string, work: () => Promise<T>): Promise<T> {
    const createdAt = this.#now().toISOString()
    this.#store.keepReply(key, { requestHash, status: 0, body: null, createdAt })
    const result = await work().catch((error: unknown) => {
      this.#store.dropReply(key)
      throw error
    })
    try {
      this.#store.keepReply(key, { requestHash, status: 201, body: JSON.stringify(result), createdAt })
    } catch (error) {
      ignore(error, 'it has happened; the same request again is answered by what it made')
      this.#store.dropReply(key)
    }
    return result
  }
}
