import type { Target } from '../types.ts'
import { BadMessage, type ParsedRequest, valuesOf } from './head.ts'

type Scheme = 'http' | 'https'
const DEFAULT_PORT: Readonly<Record<Scheme, number>> = { http: 80, https: 443 }
const AUTHORITY = /^([a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::(\d{1,5}))?$/

/**
 * Checks that a request is for where its connection goes, and for nothing else, and gives its target in origin form. Throws BadMessage:
 * 400 for what could be read in two ways, 405 for CONNECT and TRACE, 421 for another host.
 */
export function originTarget(request: ParsedRequest, target: Target, scheme: Scheme): string {
  if (request.method === 'CONNECT') throw new BadMessage(405, 'CONNECT inside a connection')
  // It would send back what the gateway put in.
  if (request.method === 'TRACE') throw new BadMessage(405, 'TRACE is refused: an answer could show secrets')
  const hosts = valuesOf(request.headers, 'host')
  if (hosts.length > 1 || (hosts.length === 0 && request.version === '1.1')) throw new BadMessage(400, 'a request has one Host header')
  if (hosts[0] !== undefined) checkAuthority(hosts[0], target, scheme)
  if (request.target.startsWith('/')) return checked(request.target)
  if (request.target === '*' && request.method === 'OPTIONS') return '*'
  const absolute = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(.*)$/i.exec(request.target)
  if (absolute === null) throw new BadMessage(400, 'the target of the request cannot be read')
  const [, askedScheme = '', authority = '', rest = ''] = absolute
  if (askedScheme.toLowerCase() !== scheme) throw new BadMessage(421, `the target is of another scheme than the connection`)
  checkAuthority(authority, target, scheme)
  return checked(rest.startsWith('/') ? rest : `/${rest}`)
}

function checkAuthority(authority: string, target: Target, scheme: Scheme): void {
  if (/[@\\%\s]/.test(authority)) throw new BadMessage(400, 'a host with characters that programs read in different ways')
  const match = AUTHORITY.exec(authority.toLowerCase())
  if (match === null) throw new BadMessage(400, 'a host that cannot be read')
  const [, name = '', port] = match
  const host = name.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  const asked = port === undefined ? DEFAULT_PORT[scheme] : Number(port)
  if (host !== target.host || asked !== target.port) {
    throw new BadMessage(421, `the request is for ${host}:${asked}, and its connection goes to ${target.host}:${target.port}`)
  }
}

function checked(path: string): string {
  if (path.includes('#') || path.includes('\\')) throw new BadMessage(400, 'a path with characters that programs read in different ways')
  return path
}

/** The Host header of a request to this target. */
export function hostHeader({ host, port }: Target, scheme: Scheme): string {
  const name = host.includes(':') ? `[${host}]` : host
  return port === DEFAULT_PORT[scheme] ? name : `${name}:${port}`
}

/** A path without its query, which may hold secrets. */
export const pathOf = (target: string): string => target.replace(/\?.*$/s, '')
