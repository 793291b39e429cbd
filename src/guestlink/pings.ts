import { AppError } from '../contract/errors.ts'
import { breach } from './errors.ts'

/** Questions that one connection may have open; who asks more often than it is answered gets `too_many_requests`. */
const MOST_OPEN = 64

interface Open {
  readonly resolve: (ms: number) => void
  readonly reject: (error: AppError) => void
  readonly sentAt: number
  readonly limit: Timer
}

/** Pings that wait for their answers. Late answers are accepted in silence, so that a slow moment does not end a connection. */
export class Pings {
  readonly #open = new Map<number, Open>()
  #last = 0

  /** Sends one with `send` and resolves with the time to its answer, in ms; `timed_out` after `limitMs`. */
  ask(send: (payload: Uint8Array) => void, limitMs: number): Promise<number> {
    if (this.#open.size >= MOST_OPEN) return Promise.reject(new AppError('too_many_requests', 'pings come faster than their answers'))
    const number = ++this.#last
    return new Promise((resolve, reject) => {
      const expire = () => {
        this.#open.delete(number)
        reject(new AppError('timed_out', `no answer to a ping within ${limitMs} ms`))
      }
      this.#open.set(number, { resolve, reject, sentAt: performance.now(), limit: setTimeout(expire, limitMs) })
      const payload = new Uint8Array(8)
      new DataView(payload.buffer).setFloat64(0, number)
      send(payload)
    })
  }

  answered(payload: Uint8Array): void {
    const number = new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getFloat64(0)
    if (!Number.isInteger(number) || number < 1 || number > this.#last) throw breach('an answer to a ping that nobody sent')
    const open = this.#open.get(number)
    if (open === undefined) return
    this.#open.delete(number)
    clearTimeout(open.limit)
    open.resolve(performance.now() - open.sentAt)
  }

  close(error: AppError): void {
    for (const { limit, reject } of this.#open.values()) {
      clearTimeout(limit)
      reject(error)
    }
    this.#open.clear()
  }
}
