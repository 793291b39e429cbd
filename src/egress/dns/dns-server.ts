import { parseAddress } from '../../policy/network/address.ts'
import { normalName } from '../../policy/network/names.ts'
import type { CompiledPolicy } from '../../policy/network/types.ts'
import type { Lookups } from '../lookups.ts'
import type { NameTable } from '../name-table.ts'
import { RateLimit } from '../rate-limit.ts'
import { Recent } from '../recent.ts'
import { DialError, type HostNetwork, RECORD_TYPES, type Record, type RecordType, type Verdict } from '../types.ts'
import { type Answer, CLASS_IN, encodeAnswer, headOnly, parseQuery, type Query, RCODE, TYPE } from './message.ts'

/** Short, so that a name whose rules change is asked for again. */
const TTL_S = 60
const QUERIES_AT_ONCE = 1_000
const QUERIES_PER_SECOND = 200
/** Lookups under way; more get an answer that says to try again. */
const MOST_UNDER_WAY = 256
const TOLD_FOR_MS = 60_000
const MOST_TOLD = 2_048
const MOST_TCP_BYTES = 65_535
/** Transfers of whole zones: AXFR, IXFR. */
const TRANSFERS: readonly number[] = [251, 252]

export interface DnsServerOptions {
  readonly names: NameTable
  readonly lookups: Lookups
  readonly network: HostNetwork
  readonly record: Record
  /** Undefined: the tag is unknown. */
  readonly policy: (tag: string | undefined) => CompiledPolicy | undefined
  readonly now?: () => number
}

/**
 * Answers the questions of one sandbox. An allowed name is looked up on the host, which decides whether it exists, and gets an address
 * that only this sandbox knows; a denied one gets such an address without any lookup, so that nothing leaves and the connection that
 * follows can be told why it is denied.
 */
export class DnsServer {
  readonly #options: DnsServerOptions
  readonly #rate: RateLimit
  readonly #told: Recent
  #underWay = 0

  constructor(options: DnsServerOptions) {
    this.#options = options
    this.#rate = new RateLimit(QUERIES_AT_ONCE, QUERIES_PER_SECOND, options.now)
    this.#told = new Recent(TOLD_FOR_MS, MOST_TOLD, options.now)
  }

  /** The answer to a message; undefined: there is none. Never rejects. */
  async answer(message: Uint8Array, transport: 'udp' | 'tcp', tag?: string): Promise<Uint8Array | undefined> {
    const query = parseQuery(message)
    if (query === undefined) return undefined
    if ('rcode' in query) return headOnly(query.id, query.rcode)
    const answer = this.#rate.take() ? await this.#decide(query, tag) : { rcode: RCODE.serverFailure }
    return encodeAnswer(query, answer, transport === 'udp' ? query.udpBytes : MOST_TCP_BYTES)
  }

  async #decide(query: Query, tag: string | undefined): Promise<Answer> {
    if (query.class !== CLASS_IN || TRANSFERS.includes(query.type) || query.name === '') return { rcode: RCODE.refused }
    if (query.type === TYPE.ANY) return { rcode: RCODE.notImplemented }
    if (query.type === TYPE.PTR) return this.#pointer(query.name)
    const name = normalName(query.name)
    // Also what only looks like a name: 0x7f.1, 2130706433.
    if (name === undefined) return { rcode: RCODE.noSuchName }
    const verdict = this.#verdict(name, query.type, tag)
    if (!verdict.allowed) return this.#denied(name, query.type, verdict, tag)
    if (query.type === TYPE.A) return await this.#bounded(() => this.#address(name, tag, verdict))
    const type = RECORD_TYPES.find((each) => TYPE[each] === query.type)
    // No IPv6 inside, and no keys for an encrypted ClientHello (HTTPS, SVCB): "there are none".
    return type === undefined ? { rcode: RCODE.ok } : await this.#bounded(() => this.#records(name, type))
  }

  #verdict(name: string, type: number, tag: string | undefined): Verdict {
    const policy = this.#options.policy(tag)
    if (policy === undefined) return { allowed: false, reason: 'the command it belongs to is unknown' }
    const own = policy.decideLookup(name)
    // `_imaps._tcp.example.com` tells about example.com.
    const host = name.replace(/^(?:_[^.]+\.)+/, '')
    if (own.allowed || host === name || (type !== TYPE.SRV && type !== TYPE.TXT)) return own
    return policy.decideLookup(host)
  }

  #denied(name: string, type: number, verdict: Verdict & { readonly allowed: false }, tag: string | undefined): Answer {
    this.#tell(name, verdict, tag)
    // What is no name of a host gets no address: no connection would follow.
    if (!name.includes('.') || name.includes('_')) return { rcode: RCODE.noSuchName }
    if (type !== TYPE.A) return { rcode: RCODE.ok }
    const address = this.#options.names.addressOf(name, false)
    return address === undefined ? { rcode: RCODE.noSuchName } : addressAnswer(address)
  }

  async #address(name: string, tag: string | undefined, verdict: Verdict): Promise<Answer> {
    try {
      await this.#options.lookups.resolve(name)
    } catch (error) {
      if (error instanceof DialError) this.#tell(name, error, tag)
      return failureAnswer(error)
    }
    const address = this.#options.names.addressOf(name, true)
    if (address === undefined) return { rcode: RCODE.serverFailure }
    this.#tell(name, verdict, tag)
    return addressAnswer(address)
  }

  async #records(name: string, type: RecordType): Promise<Answer> {
    try {
      const records = (await this.#options.network.records?.(name, type)) ?? []
      return { rcode: RCODE.ok, records: records.map(({ fields }) => ({ type: TYPE[type], ttlS: TTL_S, fields })) }
    } catch (error) {
      return failureAnswer(error)
    }
  }

  /** The name that an address stands for. */
  #pointer(asked: string): Answer {
    const quad = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa\.?$/i.exec(asked)
    const name = quad === null ? undefined : this.#options.names.nameOf(quad.slice(1, 5).reverse().join('.'))
    if (name === undefined) return { rcode: RCODE.noSuchName }
    return { rcode: RCODE.ok, records: [{ type: TYPE.PTR, ttlS: TTL_S, fields: [{ name }] }] }
  }

  async #bounded(work: () => Promise<Answer>): Promise<Answer> {
    if (this.#underWay >= MOST_UNDER_WAY) return { rcode: RCODE.serverFailure }
    this.#underWay++
    try {
      return await work()
    } finally {
      this.#underWay--
    }
  }

  /** Once a minute for each name and outcome. */
  #tell(host: string, outcome: Verdict | DialError, tag: string | undefined): void {
    const kind = outcome instanceof DialError ? 'failed' : outcome.allowed ? 'allowed' : 'denied'
    if (!this.#told.isNew(`${kind} ${tag ?? ''} ${host}`)) return
    const exec = tag === undefined ? {} : { exec: tag }
    if (outcome instanceof DialError) this.#options.record({ kind: 'dns', host, ...exec, verdict: 'failed', reason: outcome.message })
    else if (outcome.allowed) this.#options.record({ kind: 'dns', host, ...exec, verdict: 'allowed', rule: outcome.rule })
    else {
      const { allowed: _, ...why } = outcome
      this.#options.record({ kind: 'dns', host, ...exec, verdict: 'denied', ...why })
    }
  }
}

function addressAnswer(address: string): Answer {
  const word = parseAddress(address)!.words[0]!
  return { rcode: RCODE.ok, records: [{ type: TYPE.A, ttlS: TTL_S, fields: [{ u32: word }] }] }
}

function failureAnswer(error: unknown): Answer {
  return { rcode: error instanceof DialError && error.code === 'not_found' ? RCODE.noSuchName : RCODE.serverFailure }
}
