import type { BoundSecret } from '../../contract/secrets.ts'
import { normalPath, pathMatches } from '../../policy/network/paths.ts'
import { type HostPattern, hostMatches, parseHostPattern } from '../../secrets/host-pattern.ts'
import { hasToken } from './placeholder-text.ts'
import type { RequestHead, Target } from '../types.ts'

/** A secret made ready to be asked about for each request. */
export interface Prepared {
  readonly name: string
  readonly secret: BoundSecret
  readonly hosts: readonly HostPattern[]
}

/** Files are inside the sandbox already: they have nothing to do here. Those bound to one name stand before those bound to many. */
export function prepare(secrets: readonly BoundSecret[]): readonly Prepared[] {
  return secrets
    .filter(({ binding, placeholder }) => binding.how === 'header' || (binding.how === 'token' && hasToken(placeholder)))
    .map((secret) => ({ name: secret.binding.name, secret, hosts: secret.binding.hosts.flatMap(patternOf) }))
    .toSorted((a, b) => Number(a.hosts.some(({ below }) => below)) - Number(b.hosts.some(({ below }) => below)))
}

/** A pattern that cannot be is no reason to let anything out: it matches nothing. */
function patternOf(text: string): HostPattern[] {
  const pattern = parseHostPattern(text)
  return 'problem' in pattern ? [] : [pattern]
}

export function isFor({ hosts }: Prepared, host: string, port: number): boolean {
  return hosts.some((pattern) => hostMatches(pattern, host, port))
}

/** Why a secret that is bound to this host is not for this request; undefined when it is. */
export function limitOf({ name, secret }: Prepared, target: Target & { readonly scheme: string }, head: RequestHead): string | undefined {
  const { methods, paths } = secret.binding
  if (target.scheme !== 'https') return `${name} goes over https only`
  if (methods !== undefined && !methods.includes(head.method)) return `${name} is bound to ${methods.join(', ')} requests`
  if (paths === undefined) return undefined
  const path = normalPath(head.target)
  if (path === undefined) return `${name} is bound to paths, and this one can be read in more than one way`
  return paths.some((pattern) => pathMatches(pattern, path)) ? undefined : `${name} is bound to the paths ${paths.join(', ')}`
}
