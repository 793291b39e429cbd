import type { NetworkEvent } from '../../contract/network.ts'
import { formatAddress, parseAddress } from './address.ts'
import { normalName } from './names.ts'
import type { Protocol } from './types.ts'

/** Longer lines are no events: paths and names are bounded when events are made. */
const LONGEST_LINE = 64 * 1024

/** What one event asked for, checked: a log may come from anywhere. */
export interface AskedFor {
  readonly kind: 'dns' | 'connection' | 'request'
  readonly protocol: Protocol
  /** A normal name; absent when a literal was asked for. */
  readonly name?: string
  /** Canonical literal that was asked for or dialled. */
  readonly address?: string
  readonly port: number
  readonly method: string
  readonly path: string
  /** False: it was denied. */
  readonly passed: boolean
  readonly reason?: string
  readonly hint?: string
}

/** One line of a network log; undefined when it is none. Never throws. */
export function readEventLine(line: string): AskedFor | undefined {
  if (line.length > LONGEST_LINE || !line.startsWith('{')) return undefined
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? askedFor(value as Partial<NetworkEvent>) : undefined
  } catch {
    return undefined
  }
}

/** Undefined when it names neither a host nor an address that could be decided about. */
export function askedFor(event: Partial<Record<keyof NetworkEvent, unknown>>): AskedFor | undefined {
  const { kind, verdict, port = 53 } = event
  if (kind !== 'dns' && kind !== 'tcp' && kind !== 'udp' && kind !== 'http') return undefined
  if (verdict !== 'allowed' && verdict !== 'denied' && verdict !== 'failed') return undefined
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined
  const [host, literal] = [text(event.host), text(event.address)]
  const name = normalName(host)
  const address = parseAddress(literal) ?? (name === undefined ? parseAddress(host) : undefined)
  if (name === undefined && address === undefined) return undefined
  return {
    kind: kind === 'dns' ? 'dns' : kind === 'http' ? 'request' : 'connection',
    protocol: kind === 'udp' ? 'udp' : 'tcp',
    port,
    method: text(event.method) || 'GET',
    path: text(event.path) || '/',
    passed: verdict !== 'denied',
    ...(name === undefined ? {} : { name }),
    ...(address === undefined ? {} : { address: formatAddress(address) }),
    ...(text(event.reason) === '' ? {} : { reason: text(event.reason) }),
    ...(text(event.hint) === '' ? {} : { hint: text(event.hint) }),
  }
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
