import type { HostNetwork } from './types.ts'
import { DialError } from './types.ts'

/** How long an answer is used again, in ms. Each use is checked and dialled as a literal, so that an old answer is never a risk. */
const KEPT_MS = 5_000
const FAILURE_KEPT_MS = 1_000
const MOST_KEPT = 2_048

interface Kept {
  readonly addresses: Promise<readonly string[]>
  until: number
}

/** Lookups of one sandbox: the same question at the same time is asked once, and an answer is used for a few seconds. */
export class Lookups {
  readonly #network: HostNetwork
  readonly #now: () => number
  readonly #kept = new Map<string, Kept>()

  constructor(network: HostNetwork, now: () => number = Date.now) {
    this.#network = network
    this.#now = now
  }

  /** Throws DialError. */
  async resolve(name: string): Promise<readonly string[]> {
    const known = this.#kept.get(name)
    if (known !== undefined && known.until > this.#now()) return await known.addresses
    const kept: Kept = { addresses: this.#ask(name), until: Number.POSITIVE_INFINITY }
    this.#keep(name, kept)
    try {
      const addresses = await kept.addresses
      kept.until = this.#now() + KEPT_MS
      return addresses
    } catch (error) {
      kept.until = this.#now() + FAILURE_KEPT_MS
      throw error
    }
  }

  async #ask(name: string): Promise<readonly string[]> {
    try {
      const addresses = await this.#network.resolve(name)
      if (addresses.length > 0) return addresses
    } catch (error) {
      throw error instanceof DialError ? error : new DialError('unreachable', `${name} could not be looked up`)
    }
    throw new DialError('not_found', `there is no address for the name ${name}`)
  }

  #keep(name: string, kept: Kept): void {
    this.#kept.delete(name)
    this.#kept.set(name, kept)
    // The oldest first; who waits for it holds the promise.
    for (const old of this.#kept.keys()) {
      if (this.#kept.size <= MOST_KEPT) return
      this.#kept.delete(old)
    }
  }
}
