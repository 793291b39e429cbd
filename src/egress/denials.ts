import type { DenialSummary, NetworkEvent } from '../contract/network.ts'

const MOST_TARGETS = 1_024
/** Ports that go without saying. */
const WEB_PORTS: readonly number[] = [80, 443]

interface Entry {
  readonly host: string
  readonly target: string
  /** Of connections and requests, and of lookups. */
  count: number
  lookups: number
  reason: string
  readonly hint: string | undefined
}

/** Denials of one sandbox, summed up by where they went to and what would allow them. Bounded: what is over counts as others. */
export class Denials {
  readonly #entries = new Map<string, Entry>()
  #others = 0

  add(event: Pick<NetworkEvent, 'kind' | 'host' | 'address' | 'port' | 'reason' | 'hint'>): void {
    const { hint } = event
    const host = event.host ?? event.address ?? 'unknown'
    const target = event.port === undefined || WEB_PORTS.includes(event.port) ? host : withPort(host, event.port)
    // Requests of one host may need a rule each.
    const key = `${target}\n${hint ?? ''}`
    const known = this.#entries.get(key)
    if (known === undefined && this.#entries.size >= MOST_TARGETS) {
      this.#others++
      return
    }
    const entry = known ?? { host, target, count: 0, lookups: 0, reason: '', hint }
    if (event.kind === 'dns') entry.lookups++
    else entry.count++
    entry.reason = event.reason ?? entry.reason
    this.#entries.set(key, entry)
  }

  /** The most frequent first. A lookup is told only where no connection to that host followed. */
  list(): readonly DenialSummary[] {
    const entries = [...this.#entries.values()]
    const connected = new Set(entries.filter(({ count }) => count > 0).map(({ host }) => host))
    const summaries: DenialSummary[] = entries
      .filter(({ count, host }) => count > 0 || !connected.has(host))
      .map(({ target, count, lookups, reason, hint }) => ({
        target,
        count: count === 0 ? lookups : count,
        reason,
        ...(hint === undefined ? {} : { hint }),
      }))
      .sort((a, b) => b.count - a.count)
    return this.#others === 0 ? summaries : [...summaries, { target: 'others', count: this.#others, reason: 'too many to tell apart' }]
  }
}

function withPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
