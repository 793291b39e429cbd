import type { LlmCall, LlmFormat, LlmSpend } from '../../contract/llm.ts'
import type { Meter, MeterTap, RequestHead, ResponseHead, Target } from '../types.ts'
import { ExchangeReader, type Reading, valueOf } from './exchange.ts'
import type { Ledger } from './ledger.ts'
import { costOf, type PriceTable } from './price-table.ts'
import { type Provider, providerOf } from './providers.ts'

export interface MeterOptions {
  readonly sandbox: string
  readonly session?: string
  /** `[llm] meter`: calls are counted wherever there is a model. */
  readonly always: boolean
  /** Hosts of the config, with the format they speak. */
  readonly hosts: Readonly<Record<string, LlmFormat>>
  /** Hosts with a key, the organisation's or one that is bound to this sandbox. */
  readonly keyHosts: (host: string) => boolean
  /** Names of the secrets of this sandbox that are the organisation's. */
  readonly orgSecrets: ReadonlySet<string>
  readonly prices: PriceTable
  readonly ledger: Ledger
  /** Called once for each request that went out, when its reply has ended. Must not throw. */
  readonly onCall: (call: LlmCall) => void
  /** Given what is still to be done for an exchange that has ended: whoever ends the process should wait for it. Never rejects. */
  readonly settling?: (work: Promise<void>) => void
  readonly now: () => Date
}

/** Methods that ask a model for nothing. */
const READING_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE'])
const LONGEST_PATH = 512

/** Counts what one sandbox asks of language models, and refuses it when a budget is used up. */
export function createMeter(options: MeterOptions): Meter {
  const { always, hosts, keyHosts, ledger } = options
  return {
    opens(name) {
      const host = name.toLowerCase()
      if (providerOf(host, hosts) === undefined) return false
      return always || keyHosts(host) || ledger.hasBudget()
    },
    begin(target, head, secrets) {
      const provider = providerOf(target.host.toLowerCase(), hosts)
      if (provider === undefined) return undefined
      const isSocket = valueOf(head.headers, 'upgrade') !== undefined || head.method === 'CONNECT'
      if (READING_METHODS.has(head.method) && !isSocket) return undefined
      // Whatever changes something counts: a path that we do not know must not be a way around a budget.
      const reason = ledger.refusal() ?? (isSocket ? ledger.unmeterable() : undefined)
      if (reason !== undefined) return { kind: 'refused', reason }
      return { kind: 'tap', tap: new Tap(options, provider, { target, head, secrets }) }
    },
  }
}

interface Exchange {
  readonly target: Target
  readonly head: RequestHead
  readonly secrets: readonly string[]
}

class Tap implements MeterTap {
  readonly #options: MeterOptions
  readonly #provider: Provider
  readonly #exchange: Exchange
  readonly #reader: ExchangeReader
  readonly #written: () => void
  readonly #time: string
  readonly #startedMs = performance.now()
  #ended = false

  constructor(options: MeterOptions, provider: Provider, exchange: Exchange) {
    this.#options = options
    this.#provider = provider
    this.#exchange = exchange
    this.#reader = new ExchangeReader(exchange.head)
    this.#time = options.now().toISOString()
    this.#written = options.ledger.begin(() => this.#spendSoFar())
  }

  requestBody(chunk: Uint8Array): void {
    this.#reader.requestBody(chunk)
  }

  response(head: ResponseHead): void {
    this.#reader.response(head)
  }

  responseBody(chunk: Uint8Array): void {
    this.#reader.responseBody(chunk)
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    const latencyMs = performance.now() - this.#startedMs
    const work = this.#reader.end().then((reading) => {
      this.#options.onCall(this.#call(reading, latencyMs))
      this.#written()
    })
    this.#options.settling?.(work)
  }

  #spendSoFar(): LlmSpend {
    const reading = this.#reader.reading()
    const usd = this.#cost(reading)
    const tokens = reading.usage.total ?? 0
    return { tokens, usd: usd ?? 0, requests: 1, bytes_out: reading.bytesOut, unpriced: 0 }
  }

  #cost({ model, billedModel, usage }: Reading): number | undefined {
    if (usage.total === undefined) return undefined
    if (usage.cost !== undefined && this.#provider.name === 'openrouter') return usage.cost
    const { name, host } = this.#provider
    for (const each of [billedModel, model]) {
      const price = each === undefined ? undefined : this.#options.prices.of(name, host, each)
      if (price !== undefined) return costOf(price, usage)
    }
    return undefined
  }

  #call(reading: Reading, latencyMs: number): LlmCall {
    const { sandbox, session } = this.#options
    const { target, head } = this.#exchange
    const { model, streaming, status, bytesOut, usage, estimated } = reading
    const cost = this.#cost(reading)
    return {
      time: this.#time,
      sandbox,
      ...(target.tag === undefined ? {} : { exec: target.tag }),
      ...(session === undefined ? {} : { session }),
      provider: this.#provider.name,
      host: this.#provider.host,
      method: head.method,
      // Without the query, which may hold a key.
      path: head.target.replace(/[?#].*$/s, '').slice(0, LONGEST_PATH),
      ...(model === undefined ? {} : { model }),
      streaming,
      ...(status === undefined ? {} : { status }),
      latency_ms: Math.round(latencyMs),
      ...(usage.input === undefined ? {} : { input_tokens: usage.input }),
      ...(usage.output === undefined ? {} : { output_tokens: usage.output }),
      ...(usage.cached === undefined ? {} : { cached_tokens: usage.cached }),
      ...(usage.total === undefined ? {} : { total_tokens: usage.total }),
      bytes_out: bytesOut,
      ...(cost === undefined ? {} : { cost_usd: cost }),
      ...(estimated ? { estimated } : {}),
      key_source: this.#keySource(),
    }
  }

  #keySource(): LlmCall['key_source'] {
    const { secrets } = this.#exchange
    if (secrets.length === 0) return 'none'
    return secrets.some((name) => this.#options.orgSecrets.has(name)) ? 'org' : 'sandbox'
  }
}
