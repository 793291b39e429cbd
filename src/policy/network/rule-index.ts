import { ecosystemDomains } from '../ecosystems.ts'
import type { EcosystemName } from '../ecosystems.ts'
import { contains } from './address.ts'
import type { Address, AddressRange } from './address.ts'
import { NameIndex } from './name-index.ts'
import { printRule } from './rule.ts'
import type { NamePattern, Ports, RangePattern, RequestRule, Rule } from './rule.ts'
import type { Protocol } from './types.ts'

/** What a sandbox asks for, once it is known to be a name or an address. */
export type Host = { readonly kind: 'name'; readonly name: string } | { readonly kind: 'address'; readonly address: Address }

/** One rule about connections, as decisions need it. */
export interface Entry {
  readonly text: string
  readonly protocols: readonly Protocol[]
  readonly ports: Ports
  readonly blocks: boolean
}
export interface RangeEntry extends Entry {
  readonly range: AddressRange
}
/** A rule about requests, and its text. */
export interface RequestEntry {
  readonly text: string
  readonly rule: RequestRule
}

/** One list of rules, sorted for look-ups. */
export class RuleIndex {
  readonly names = new NameIndex<Entry>()
  readonly ranges: RangeEntry[] = []
  readonly requestNames = new NameIndex<RequestEntry>()
  readonly requestAddresses: (RequestEntry & { readonly range: AddressRange })[] = []
  isPublic = false
  readonly #blocks: boolean

  constructor(rules: readonly Rule[], blocks: boolean) {
    this.#blocks = blocks
    for (const rule of rules) this.#add(rule)
  }

  #add(rule: Rule): void {
    const text = printRule(rule)
    switch (rule.kind) {
      case 'public':
        this.isPublic = true
        return
      case 'preset':
        for (const host of presetHosts(rule.name)) this.#addHost(host, this.#entry(text, 'tcp', 'default'))
        return
      case 'host':
        this.#addHost(rule.host, this.#entry(text, rule.protocol, rule.ports))
        return
      case 'request':
        if (rule.host.kind === 'name') this.requestNames.add(rule.host, { text, rule })
        else this.requestAddresses.push({ text, rule, range: rule.host.range })
    }
  }

  /** Without ports a rule that blocks is about every port; without `udp:` it is about TCP and UDP. */
  #entry(text: string, protocol: Protocol, ports: Ports): Entry {
    const blocks = this.#blocks
    if (!blocks) return { text, blocks, protocols: [protocol], ports: ports === 'default' ? WEB_PORTS : ports }
    return { text, blocks, protocols: protocol === 'udp' ? ['udp'] : ['tcp', 'udp'], ports: ports === 'default' ? 'all' : ports }
  }

  #addHost(host: NamePattern | RangePattern, entry: Entry): void {
    if (host.kind === 'name') this.names.add(host, entry)
    else this.ranges.push({ ...entry, range: host.range })
  }

  /** Rules about requests to this host and port, whatever their scheme, method and path. */
  *requests(host: Host, port: number): Generator<RequestEntry> {
    const entries = host.kind === 'name' ? this.requestNames.find(host.name) : this.requestAddresses
    for (const entry of entries) {
      const covers = host.kind === 'name' || contains((entry as RequestEntry & { range: AddressRange }).range, host.address)
      if (covers && entry.rule.port === port) yield entry
    }
  }
}

const WEB_PORTS: Ports = [
  { first: 80, last: 80 },
  { first: 443, last: 443 },
]
export const QUIC_PORT = 443

function presetHosts(name: EcosystemName): readonly (NamePattern | RangePattern)[] {
  return ecosystemDomains([name]).map((domain) => ({ kind: 'name', name: domain.slice(2), below: true }))
}

/** Whether a rule that covers the host is about this port. */
export function covers({ protocols, ports, blocks }: Entry, port: number, protocol: Protocol): boolean {
  if (!protocols.includes(protocol)) return false
  // QUIC passes only where somebody wrote its very port: else programs use TCP, which can be looked into.
  if (protocol === 'udp' && port === QUIC_PORT && !blocks) return isWritten(ports, QUIC_PORT)
  return ports === 'all' || (ports !== 'default' && ports.some(({ first, last }) => port >= first && port <= last))
}

function isWritten(ports: Ports, port: number): boolean {
  return Array.isArray(ports) && ports.some(({ first, last }) => first === port && last === port)
}
