import type { Requests } from './network-client.ts'
import type { Place } from './network-place.ts'
import { interleave } from './statistics.ts'
import { formatNumber, type Table } from './table.ts'

/** What requests took in one place: the best of several rounds each, because whatever else runs on a machine only takes away. */
export interface Warm {
  readonly name: string
  /** Over one connection, in ms. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** Over several connections at once. */
  readonly perSecond: number
  /** Processor time of the gateway for one request, in ms: over one connection and over several. Undefined: there is no gateway. */
  readonly gatewayMs: { readonly one: number; readonly several: number } | undefined
}

/** Bytes through one connection, in MB/s; the best of several rounds. */
export interface Speed {
  readonly name: string
  readonly down: number
  readonly up: number
}

export interface Rounds {
  readonly rounds: number
  readonly requests: number
  readonly connections: number
}

/** One round of requests. */
export interface Round {
  readonly one: Requests & { readonly gatewayMs: number }
  readonly several: Requests & { readonly gatewayMs: number }
}

/** All places take turns. */
export async function measureWarm(places: readonly Place[], { rounds, requests, connections }: Rounds): Promise<Warm[]> {
  const found = new Map<Place, Round[]>(places.map((place) => [place, []]))
  for (const place of places) await askFor(place, connections, requests)
  for (const place of interleave(places, rounds)) {
    found.get(place)!.push({ one: await askFor(place, 1, requests), several: await askFor(place, connections, 2 * requests) })
  }
  return places.map((place) => best(place.name, place.gateway !== undefined, found.get(place)!))
}

async function askFor(place: Place, connections: number, count: number): Promise<Requests & { readonly gatewayMs: number }> {
  const { answer, gatewayMs } = await place.ask({ task: 'requests', connections, count })
  return { ...answer, gatewayMs: gatewayMs / count }
}

export function best(name: string, hasGateway: boolean, rounds: readonly Round[]): Warm {
  const least = (of: (round: Round) => number): number => Math.min(...rounds.map(of))
  return {
    name,
    p50Ms: least(({ one }) => one.p50Ms),
    p99Ms: least(({ one }) => one.p99Ms),
    perSecond: Math.max(...rounds.map(({ several }) => several.perSecond)),
    gatewayMs: hasGateway ? { one: least(({ one }) => one.gatewayMs), several: least(({ several }) => several.gatewayMs) } : undefined,
  }
}

export async function measureSpeed(places: readonly Place[], rounds: number, bytes: number): Promise<Speed[]> {
  const found = new Map<Place, { down: number; up: number }>(places.map((place) => [place, { down: 0, up: 0 }]))
  for (const place of interleave(places, rounds)) {
    const sofar = found.get(place)!
    for (const task of ['down', 'up'] as const) {
      const { answer } = await place.ask({ task, bytes })
      sofar[task] = Math.max(sofar[task], bytes / 1e6 / answer.seconds)
    }
  }
  return places.map((place) => ({ name: place.name, ...found.get(place)! }))
}

export function warmTable(warm: readonly Warm[], connections: number): Table {
  return {
    title: 'Requests over HTTPS with a secret put in, warm',
    columns: [
      'where',
      'p50 ms',
      'p99 ms',
      `requests/s, ${connections} connections`,
      'gateway CPU ms, one',
      `gateway CPU ms, ${connections}`,
    ],
    rows: warm.map(({ name, p50Ms, p99Ms, perSecond, gatewayMs }) => [
      name,
      formatNumber(p50Ms),
      formatNumber(p99Ms),
      formatNumber(perSecond),
      ...[gatewayMs?.one, gatewayMs?.several].map((ms) => (ms === undefined ? '–' : formatNumber(ms))),
    ]),
  }
}

export function speedTable(speeds: readonly Speed[]): Table {
  return {
    title: 'One TCP connection, MB/s',
    columns: ['where', 'down', 'up'],
    rows: speeds.map(({ name, down, up }) => [name, formatNumber(down), formatNumber(up)]),
  }
}

/** By how much the highest value of the second half is above the highest of the first: a heap goes up and down, and only growth goes on. */
export function growth(values: readonly number[]): number {
  const half = values.length >> 1
  if (half === 0) throw new RangeError(`no halves of ${values.length} values`)
  return Math.max(...values.slice(half)) - Math.max(...values.slice(0, half))
}

/** A row of the table of targets. */
export function atMost(what: string, value: number, limit: number, unit: string): string[] {
  return [what, `≤ ${limit} ${unit}`, `${formatNumber(value)} ${unit}`, verdict(value <= limit)]
}

export function atLeast(what: string, value: number, limit: number, unit: string): string[] {
  return [what, `≥ ${limit} ${unit}`, `${formatNumber(value)} ${unit}`, verdict(value >= limit)]
}

const verdict = (isMet: boolean): string => (isMet ? 'yes' : '**no**')
