import { HOST_NAME_INSIDE } from '../../contract/network.ts'
import type { NetworkEvent } from '../../contract/network.ts'
import type { LearnedRule, LearnReport } from '../../contract/network-reports.ts'
import { askedFor } from './event-line.ts'
import type { AskedFor } from './event-line.ts'
import { printRule } from './rule.ts'
import type { NamePattern, RangePattern } from './rule.ts'
import { parseAddress } from './address.ts'
import { TargetCounts } from './target-counts.ts'
import type { Protocol } from './types.ts'

/** Names come from a sandbox; more of them than this are no list that anybody would keep. */
const MOST_HOSTS = 5000
/** So many names below one domain, with the same ports, become a wildcard. */
const LEAST_NAMES_OF_WILDCARD = 4

/** One host as it was used. */
interface Used {
  readonly host: string
  readonly protocol: Protocol
  readonly ports: Set<number>
  connections: number
  requests: number
}

/** Gathers what a sandbox reached and says which rules would have been enough. In memory, bounded; `add` never throws. */
export class Learner {
  readonly #used = new Map<string, Used>()
  readonly #refused = new TargetCounts(MOST_HOSTS)
  #connections = 0
  #incomplete = false

  add(event: Partial<NetworkEvent>): void {
    const asked = askedFor(event)
    if (asked !== undefined) this.addAsked(asked)
  }

  addAsked(asked: AskedFor): void {
    // A name that was only looked up needs no rule: looking up what no rule names was possible because of `public` alone.
    if (asked.kind === 'dns') return
    const host = asked.name ?? asked.address!
    if (!asked.passed) {
      const { reason, hint } = asked
      const facts = { ...(reason === undefined ? {} : { reason }), ...(hint === undefined ? {} : { hint }) }
      this.#refused.add({ target: targetText(host, asked.port, asked.protocol), ...facts })
      return
    }
    const key = `${asked.protocol} ${host}`
    const used = this.#used.get(key) ?? { host, protocol: asked.protocol, ports: new Set(), connections: 0, requests: 0 }
    if (!this.#used.has(key) && this.#used.size >= MOST_HOSTS) {
      this.#incomplete = true
      return
    }
    this.#used.set(key, used)
    used.ports.add(asked.port)
    if (asked.kind === 'request') used.requests++
    else {
      used.connections++
      this.#connections++
    }
  }

  /** Loads the list of public suffixes when there are enough names to group. */
  async report(): Promise<LearnReport> {
    const groups = await grouped([...this.#used.values()])
    const rules = groups
      .map(ruleOf)
      .toSorted((a, b) => b.connections + b.requests - a.connections - a.requests || (a.rule < b.rule ? -1 : 1))
    return {
      rules,
      connections: this.#connections,
      hosts: new Set([...this.#used.values()].map(({ host }) => host)).size,
      incomplete: this.#incomplete || this.#refused.incomplete,
      refused: this.#refused.list(),
    }
  }
}

/** `example.com:443`, `[::1]:80`, `udp:example.com:53`. */
export function targetText(host: string, port: number, protocol: Protocol): string {
  return `${protocol === 'udp' ? 'udp:' : ''}${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Hosts that share a rule, and what the rule covers. */
interface Group {
  readonly pattern: NamePattern | RangePattern
  readonly members: readonly Used[]
}

async function grouped(used: readonly Used[]): Promise<readonly Group[]> {
  const names = used.filter(({ host }) => parseAddress(host) === undefined && host !== HOST_NAME_INSIDE)
  if (names.length < LEAST_NAMES_OF_WILDCARD) return used.map(single)
  const { getDomain } = await import('tldts')
  const families = Map.groupBy(names, (one) => {
    const domain = getDomain(one.host, { allowPrivateDomains: true })
    // A name that nobody registers is in a family of its own.
    return domain === null ? one.host : `${domain} ${one.protocol} ${portsOf([one]).join()}`
  })
  const wild = [...families].filter(([, members]) => members.length >= LEAST_NAMES_OF_WILDCARD)
  const inWild = new Set(wild.flatMap(([, members]) => members))
  return [
    ...wild.map(([, members]) => ({ pattern: { kind: 'name' as const, name: commonSuffix(members), below: true }, members })),
    ...used.filter((one) => !inWild.has(one)).map(single),
  ]
}

function single(one: Used): Group {
  const address = parseAddress(one.host)
  if (address === undefined) return { pattern: { kind: 'name', name: one.host, below: false }, members: [one] }
  return { pattern: { kind: 'range', range: { ...address, bits: address.family === 4 ? 32 : 128 } }, members: [one] }
}

/** The longest name that all are at or below; at least their registered domain, which they share. */
function commonSuffix(members: readonly Used[]): string {
  const [first, ...others] = members.map(({ host }) => host.split('.').toReversed())
  const length = others.reduce((most, labels) => {
    const differs = first!.findIndex((label, index) => label !== labels[index])
    return Math.min(most, differs < 0 ? first!.length : differs)
  }, first!.length)
  return first!.slice(0, length).toReversed().join('.')
}

function portsOf(members: readonly Used[]): readonly number[] {
  return [...new Set(members.flatMap(({ ports }) => [...ports]))].toSorted((a, b) => a - b)
}

function ruleOf({ pattern, members }: Group): LearnedRule {
  const { protocol } = members[0]!
  const ports = portsOf(members)
  const sum = (of: (one: Used) => number): number => members.reduce((total, one) => total + of(one), 0)
  return {
    rule: printRule({ kind: 'host', protocol, host: pattern, ports: ports.map((port) => ({ first: port, last: port })) }),
    hosts: members.map(({ host }) => host).toSorted(),
    ports,
    protocol,
    connections: sum(({ connections }) => connections),
    requests: sum(({ requests }) => requests),
  }
}
