import { isIP } from 'node:net'
import { AppError } from '../contract/errors.ts'
import type { ApiKeys } from './auth.ts'

/** One listener: who may come through it. */
export type Door = SocketDoor | TcpDoor

/** The socket in a folder of the user's own. */
export interface SocketDoor {
  readonly kind: 'socket'
  /** The token that each request must carry as its Bearer key. Undefined = whoever can connect is trusted. */
  readonly keys?: ApiKeys
}
export interface TcpDoor {
  readonly kind: 'http'
  readonly keys: ApiKeys
  /** The address it listens on, as the user wrote it. */
  readonly host: string
  /** Further names that requests may call this server by, lower case. */
  readonly names?: readonly string[]
  /** Origins whose pages may use the API, such as `http://localhost:3000`. None by default. */
  readonly origins?: readonly string[]
}

/** True for names and addresses that only this machine can connect to. */
export function isLoopback(host: string): boolean {
  const name = unbracketed(host.toLowerCase())
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))
}

/**
 * Refuses a request that calls this server by a name that is none of its own. A page of somebody else whose name was made to lead here
 * (DNS rebinding) still sends its own name. Errors: `policy_denied`.
 */
export function requireKnownHost(request: Request, door: TcpDoor): void {
  const header = request.headers.get('host')
  const name = header === null ? undefined : hostNameOf(header)
  if (name !== undefined && isOwnName(name, door)) return
  throw new AppError('policy_denied', `this server is not called ${JSON.stringify(header ?? '')}`, {
    fix: 'Use localhost, or start the server with a --host or an allowed name that fits.',
  })
}

/** Whatever is bound to all addresses is called by any of them; an address cannot be rebound. */
function isOwnName(name: string, { host, names = [] }: TcpDoor): boolean {
  if (isLoopback(name) || name === unbracketed(host.toLowerCase()) || names.includes(name)) return true
  return isWildcard(host) && isIP(name) !== 0
}

const isWildcard = (host: string): boolean => ['0.0.0.0', '::', '[::]'].includes(host)

/** The name in a Host header, lower case, without port; undefined when it is none. */
function hostNameOf(header: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(header)
  return (match?.[1] ?? match?.[2])?.toLowerCase()
}

const unbracketed = (host: string): string => host.replace(/^\[(.*)\]$/, '$1')

/**
 * Refuses what a page of another site has a browser send. Browsers name the origin, or at least that the site is another; programs
 * send neither. Following a link to a page of ours is no such request. Errors: `policy_denied`.
 */
export function requireKnownOrigin(request: Request, door: TcpDoor): void {
  const { headers, method } = request
  const origin = headers.get('origin')
  if (origin !== null) {
    if (door.origins?.includes(origin)) return
    throw new AppError('policy_denied', `pages of ${JSON.stringify(origin)} may not use this server`, {
      fix: 'Call the API from a program, or allow that origin when the server starts.',
    })
  }
  const site = headers.get('sec-fetch-site')
  if (site === null || site === 'same-origin' || site === 'none') return
  if (method === 'GET' && headers.get('sec-fetch-mode') === 'navigate') return
  throw new AppError('policy_denied', 'pages of another site may not use this server', { fix: 'Call the API from a program.' })
}

/** What lets the pages of an allowed origin read an answer; empty for all others. */
export function corsHeaders(request: Request, door: Door): Readonly<Record<string, string>> {
  const origin = request.headers.get('origin')
  if (origin === null || door.kind === 'socket' || !door.origins?.includes(origin)) return {}
  return { 'access-control-allow-origin': origin, vary: 'origin', 'access-control-expose-headers': 'x-request-id' }
}

/** The answer to a browser that asks beforehand what a page of an allowed origin may send. */
export function preflight(request: Request, door: Door): Response | undefined {
  if (request.method !== 'OPTIONS' || request.headers.get('access-control-request-method') === null) return undefined
  return new Response(null, {
    status: 204,
    headers: {
      ...corsHeaders(request, door),
      'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
      'access-control-allow-headers':
        'authorization, content-type, idempotency-key, last-event-id, range, traceparent, tracestate, x-request-id',
      'access-control-max-age': '600',
    },
  })
}
