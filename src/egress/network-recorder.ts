import type { DenialSummary, NetworkEvent } from '../contract/network.ts'
import { ignore } from '../lib/ignore.ts'
import { Denials } from './denials.ts'
import type { NetworkLog } from './network-log.ts'
import type { Record } from './types.ts'

const MOST_EVENTS = 1_000
const MOST_TEXT = 2_048

export interface NetworkTotals {
  readonly allowed: number
  readonly denied: number
  readonly failed: number
  readonly bytesOut: number
  readonly bytesIn: number
}

export interface NetworkRecorderOptions {
  readonly sandbox: string
  readonly log?: NetworkLog
  readonly now?: () => Date
  /** Events that are kept to be read later. @default 1,000 */
  readonly keep?: number
}

/** Takes note of what the gateway decided: the newest events, sums, and whoever listens. Never throws, never waits. */
export class NetworkRecorder {
  readonly #options: NetworkRecorderOptions
  readonly #keep: number
  readonly #denials = new Denials()
  readonly #listeners = new Set<(event: NetworkEvent) => void>()
  #events: NetworkEvent[] = []
  #totals = { allowed: 0, denied: 0, failed: 0, bytesOut: 0, bytesIn: 0 }

  constructor(options: NetworkRecorderOptions) {
    this.#options = options
    this.#keep = options.keep ?? MOST_EVENTS
  }

  /** For `GatewayOptions.record`. */
  readonly record: Record = (told) => {
    const now = this.#options.now?.() ?? new Date()
    const event: NetworkEvent = { time: now.toISOString(), sandbox: this.#options.sandbox, ...bounded(told) }
    this.#count(event)
    this.#events.push(event)
    // Cut in lots, so that most events cost nothing.
    if (this.#events.length > 2 * this.#keep) this.#events = this.#events.slice(-this.#keep)
    this.#options.log?.add(event)
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (error) {
        ignore(error, 'a listener that fails must not concern the flow')
      }
    }
  }

  /** The newest, oldest first. */
  events(): readonly NetworkEvent[] {
    return this.#events.slice(-this.#keep)
  }

  denials(): readonly DenialSummary[] {
    return this.#denials.list()
  }

  get totals(): NetworkTotals {
    return { ...this.#totals }
  }

  /** Gives what ends it. */
  listen(listener: (event: NetworkEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #count(event: NetworkEvent): void {
    if (event.verdict === 'denied') this.#denials.add(event)
    // A lookup is no traffic of its own: the connection that follows counts.
    if (event.kind === 'dns' && event.verdict === 'allowed') return
    this.#totals[event.verdict]++
    this.#totals.bytesOut += event.bytes_out ?? 0
    this.#totals.bytesIn += event.bytes_in ?? 0
  }
}

/** Paths and names come from the sandbox: what is kept of them is bounded. */
function bounded<T extends object>(event: T): T {
  const long = Object.entries(event).filter(([, value]) => typeof value === 'string' && value.length > MOST_TEXT)
  return long.length === 0
    ? event
    : { ...event, ...Object.fromEntries(long.map(([key, value]) => [key, String(value).slice(0, MOST_TEXT)])) }
}
