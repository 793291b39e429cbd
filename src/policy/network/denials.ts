import { HOST_NAME_INSIDE } from '../../contract/network.ts'
import { formatAddress } from './address.ts'
import type { Address } from './address.ts'
import { DEFAULT_PORT } from './rule.ts'
import { allowHint, shown } from './shown.ts'
import type { Protocol, RequestFacts, Verdict } from './types.ts'

/** Sentences for what is refused, and the argument that would allow it. */
export type Denied = Verdict & { readonly allowed: false }

/** As it stands in a rule and an address of the web. */
export const literalText = (address: Address): string => (address.family === 4 ? formatAddress(address) : `[${formatAddress(address)}]`)

export function hintFor(host: string, port: number, protocol: Protocol): string {
  if (protocol === 'udp') return allowHint(`udp:${host}:${port}`)
  return allowHint((port === 80 || port === 443) && host !== HOST_NAME_INSIDE ? host : `${host}:${port}`)
}

export const notAName = (text: string): Denied => ({ allowed: false, reason: `${shown(text)} is no name of a host` })
export const blockedBy = (host: string, rule: string): Denied => ({ allowed: false, reason: `${host} is blocked`, rule })
export const quic = (host: string): Denied => ({ allowed: false, reason: `QUIC to ${host} is refused, so that programs use TCP` })

export const notLoopback = (address: Address): Denied => ({
  allowed: false,
  reason: `${formatAddress(address)} is not this machine's loopback`,
})

const METHOD = /^[A-Z][A-Z-]{0,31}$/

export function requestBlocked(request: RequestFacts, host: string, path: string, rule: string): Denied {
  return { allowed: false, reason: `${requestText(request, host, path)} is blocked`, rule }
}

export function requestNotListed(request: RequestFacts, host: string, path: string): Denied {
  const { method, scheme, port } = request
  const reason = `no rule allows ${requestText(request, host, path)}`
  // Some paths cannot be written as a rule for themselves alone.
  if (!METHOD.test(method) || method === 'TRACE' || method === 'CONNECT' || /[*']/.test(path)) return { allowed: false, reason }
  const shownHost = host.includes(':') ? `[${host}]` : host
  const shownPort = port === DEFAULT_PORT[scheme] ? '' : `:${port}`
  return { allowed: false, reason, hint: allowHint(`${method} ${scheme}://${shownHost}${shownPort}${path}`) }
}

/** `path` is normal, so it holds visible ASCII only; a method may hold anything. */
function requestText({ method }: RequestFacts, host: string, path: string): string {
  return `${METHOD.test(method) ? method : shown(method)} ${path.length > 100 ? `${path.slice(0, 99)}…` : path} of ${host}`
}
