import { PUBLIC_RULE } from '../../contract/network.ts'
import type { EcosystemName } from '../ecosystems.ts'
import type { AddressRange } from './address.ts'
import { formatRange } from './address.ts'
import type { Protocol } from './types.ts'

/** Ports from `first` to `last`, both included. */
export interface PortRange {
  readonly first: number
  readonly last: number
}

/**
 * `default`: none were written. That means 80 and 443 where a rule allows, and every port where it blocks. A list is sorted, and
 * each entry is in it once.
 */
export type Ports = 'default' | 'all' | readonly PortRange[]

/** `example.com`, or with `below` `*.example.com`, which also covers `example.com`. */
export interface NamePattern {
  readonly kind: 'name'
  readonly name: string
  readonly below: boolean
}
export interface RangePattern {
  readonly kind: 'range'
  readonly range: AddressRange
}

/** One rule, understood. Whether it allows or blocks is a matter of the list it stands in. */
export type Rule =
  | { readonly kind: 'public' }
  | { readonly kind: 'preset'; readonly name: EcosystemName }
  | { readonly kind: 'host'; readonly protocol: Protocol; readonly host: NamePattern | RangePattern; readonly ports: Ports }
  | RequestRule

export interface RequestRule {
  readonly kind: 'request'
  /** In the order given, each once; `*` = every method. */
  readonly methods: '*' | readonly string[]
  readonly scheme: 'http' | 'https'
  /** A range here is a single address. */
  readonly host: NamePattern | RangePattern
  readonly port: number
  /** `*` stands for any characters, `/` included. Escapes are normal, see `paths.ts`. */
  readonly path: string
}

export const DEFAULT_PORT = { http: 80, https: 443 } as const

/** The canonical text: `parseRule` of it gives the same rule. */
export function printRule(rule: Rule): string {
  switch (rule.kind) {
    case 'public':
      return PUBLIC_RULE
    case 'preset':
      return `preset:${rule.name}`
    case 'host':
      return `${rule.protocol === 'udp' ? 'udp:' : ''}${printHost(rule.host)}${printPorts(rule.ports)}`
    case 'request': {
      const methods = rule.methods === '*' ? '*' : rule.methods.join(',')
      const port = rule.port === DEFAULT_PORT[rule.scheme] ? '' : `:${rule.port}`
      return `${methods} ${rule.scheme}://${printHost(rule.host)}${port}${rule.path}`
    }
  }
}

function printHost(host: NamePattern | RangePattern): string {
  return host.kind === 'range' ? formatRange(host.range) : `${host.below ? '*.' : ''}${host.name}`
}

function printPorts(ports: Ports): string {
  if (ports === 'default') return ''
  if (ports === 'all') return ':*'
  return `:${ports.map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`)).join(',')}`
}
