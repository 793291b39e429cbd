import type { TCPSocketConnectOptions } from 'bun'
import { HOST_NAME_INSIDE } from '../contract/network.ts'
import { ignore } from '../lib/ignore.ts'
import { nameLookup } from './name-lookup.ts'
import { Slots } from './slots.ts'
import { TcpUpstream } from './tcp-upstream.ts'
import { DialError, type HostNetwork, type NameRecord, type RecordType, type Upstream } from './types.ts'
import { UdpUpstream } from './udp-upstream.ts'

const LOOKUP_LIMIT_MS = 5_000
const CONNECT_LIMIT_MS = 10_000
const LOOKUPS_AT_ONCE = 256
const MOST_LOOKUPS_WAITING = 1_024
/** Of all sandboxes; each has a smaller share of its own. */
const DIALS_AT_ONCE = 1_024
const MOST_DIALS_WAITING = 16_384
/** This machine's own loopback, where programs listen on either. */
const LOOPBACK = ['127.0.0.1', '::1']

/** The network of this machine, for any number of sandboxes: bounded, with limits of time. */
export function hostNetwork(): HostNetwork {
  const lookups = new Slots(LOOKUPS_AT_ONCE, MOST_LOOKUPS_WAITING)
  const dials = new Slots(DIALS_AT_ONCE, MOST_DIALS_WAITING)
  const lookup = nameLookup()
  const busy = new DialError('timed_out', 'too many are under way')
  return {
    async resolve(name, signal) {
      if (name === HOST_NAME_INSIDE) return LOOPBACK
      const found = await lookups.use(() => within(lookup(name), LOOKUP_LIMIT_MS, `the lookup of ${name}`, signal))
      if (found === undefined) throw busy
      return found
    },
    async records(name, type, signal) {
      const found = await lookups.use(() => within(records(name, type), LOOKUP_LIMIT_MS, `the lookup of ${name}`, signal))
      if (found === undefined) throw busy
      return found
    },
    async dialTcp(address, port, signal) {
      const upstream = await dials.use(() => dialTcp(address, port, signal))
      if (upstream === undefined) throw busy
      return upstream
    },
    dialUdp,
  }
}

async function records(name: string, type: RecordType): Promise<readonly NameRecord[]> {
  const { resolveRecords } = await import('./dns/resolve-records.ts')
  return await resolveRecords(name, type)
}

async function dialTcp(address: string, port: number, signal: AbortSignal | undefined): Promise<Upstream> {
  const upstream = new TcpUpstream(address)
  // Bun's types know `allowHalfOpen` for listeners only.
  const options = { hostname: address, port, allowHalfOpen: true, socket: upstream.handlers } as unknown as TCPSocketConnectOptions
  try {
    await within(Bun.connect(options), CONNECT_LIMIT_MS, `the connection to ${address} port ${port}`, signal)
    return upstream
  } catch (cause) {
    // Also ends the socket that may still come.
    upstream.destroy()
    throw cause instanceof DialError ? cause : dialError(cause, `${address} port ${port}`)
  }
}

async function dialUdp(address: string, port: number): Promise<Upstream> {
  const upstream = new UdpUpstream(address)
  try {
    upstream.opened(await Bun.udpSocket({ connect: { hostname: address, port }, binaryType: 'uint8array', socket: upstream.handlers }))
    return upstream
  } catch (cause) {
    throw dialError(cause, `${address} port ${port}`)
  }
}

function dialError(cause: unknown, where: string): DialError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (code === 'ECONNREFUSED' || code === 'ECONNRESET') return new DialError('refused', `nobody listens at ${where}`)
  if (code === 'ETIMEDOUT') return new DialError('timed_out', `no answer from ${where}`)
  return new DialError('unreachable', `no way to ${where}`)
}

/** What `work` gives, unless the limit or the signal comes first; then its result is nobody's, and its failure too. */
async function within<T>(work: Promise<T>, limitMs: number, what: string, signal: AbortSignal | undefined): Promise<T> {
  const limit = Promise.withResolvers<never>()
  const timer = setTimeout(() => limit.reject(new DialError('timed_out', `${what} took longer than ${limitMs / 1_000} s`)), limitMs)
  const abort = (): void => limit.reject(new DialError('timed_out', `${what} was given up`))
  if (signal?.aborted === true) abort()
  signal?.addEventListener('abort', abort, { once: true })
  work.catch((error: unknown) => ignore(error, 'told below, or too late for anybody'))
  try {
    return await Promise.race([work, limit.promise])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}
