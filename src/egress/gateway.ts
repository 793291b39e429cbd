import { PUBLIC_RULE } from '../contract/network.ts'
import { ignore } from '../lib/ignore.ts'
import type { CompiledPolicy } from '../policy/network/types.ts'
import { Dialer } from './dialer.ts'
import { DnsServer } from './dns/dns-server.ts'
import { serveDns } from './dns/serve-dns.ts'
import { findTarget, type Wanted } from './find-target.ts'
import { type FlowContext, FlowRun } from './flow-run.ts'
import { GATEWAY_LIMITS, type GatewayLimits } from './gateway-limits.ts'
import { Lookups } from './lookups.ts'
import { NameTable } from './name-table.ts'
import { Recent } from './recent.ts'
import { Slots } from './slots.ts'
import { serveTcp } from './tcp-flow.ts'
import {
  DialError,
  type Flow,
  type HostNetwork,
  type HttpDoors,
  type HttpEngine,
  type Injector,
  type Meter,
  type Record,
  type Target,
  type Upstream,
  type Verdict,
} from './types.ts'
import { serveUdp } from './udp-flow.ts'

export interface GatewayOptions {
  /** Rules of everything without a tag. */
  readonly policy: CompiledPolicy
  readonly network: HostNetwork
  /** What takes note of each decision; `NetworkRecorder.record`. */
  readonly record: Record
  readonly injector?: Injector
  readonly meter?: Meter
  /** Makes what opens HTTP and TLS; called once, at the first flow that needs it. Absent: such flows are refused. */
  readonly opener?: (doors: HttpDoors) => Promise<HttpEngine>
  readonly limits?: Partial<GatewayLimits>
  readonly now?: () => number
}

const DNS_PORT = 53
const TOLD_FOR_MS = 60_000
/** For what a flow has to do after it was reset. */
const TELL_WITHIN_MS = 250

/**
 * The way out of one sandbox. It is handed each flow that a program opens, decides by the rules that hold then, and passes what is
 * allowed. Everything that comes in is hostile; nothing that happens to a flow concerns another one, and nothing throws.
 */
export class Gateway {
  readonly #options: GatewayOptions
  readonly #names: NameTable
  readonly #dns: DnsServer
  readonly #context: FlowContext
  readonly #dialer: Dialer
  readonly #policies = new Map<string | undefined, CompiledPolicy>()
  readonly #flows = new Map<Flow, FlowRun | undefined>()
  readonly #served = new Set<Promise<void>>()
  readonly #told: Recent
  #http: Promise<HttpEngine | undefined> | undefined
  #isClosed = false

  constructor(options: GatewayOptions) {
    this.#options = options
    const limits = { ...GATEWAY_LIMITS, ...options.limits }
    const network = withSlots(options.network, limits)
    const lookups = new Lookups(network, options.now)
    const policy = (tag: string | undefined): CompiledPolicy | undefined => this.#policies.get(tag)
    this.#policies.set(undefined, options.policy)
    this.#told = new Recent(TOLD_FOR_MS, 16, options.now)
    this.#names = new NameTable(options.now)
    this.#dialer = new Dialer(network, lookups)
    const now = options.now === undefined ? {} : { now: options.now }
    this.#dns = new DnsServer({ names: this.#names, lookups, network, record: options.record, policy, ...now })
    this.#context = {
      dialer: this.#dialer,
      record: options.record,
      limits,
      ...(options.injector === undefined ? {} : { injector: options.injector }),
      ...(options.meter === undefined ? {} : { meter: options.meter }),
      policy,
      http: () => (this.#http ??= this.#openHttp()),
      dialed: new WeakMap(),
      denied: { waiting: 0 },
    }
  }

  /** Flows that are open now. */
  get flows(): number {
    return this.#flows.size
  }

  /** Takes over a flow until its end. */
  serve(flow: Flow): void {
    if (this.#isClosed) return flow.refuse('refused', 'the network of the sandbox is closed')
    if (this.#flows.size >= this.#context.limits.flows) return this.#refuseMore(flow)
    this.#flows.set(flow, undefined)
    const served: Promise<void> = this.#serve(flow)
      .catch((error: unknown) => {
        ignore(error, 'the flow was broken off')
        flow.refuse('refused', 'the connection was broken off')
      })
      .finally(() => {
        this.#flows.delete(flow)
        this.#served.delete(served)
      })
      .catch((error: unknown) => ignore(error, 'refuse never throws'))
    this.#served.add(served)
  }

  /** Rules that hold from now on, for everything or for one command. Flows that they do not allow are reset. */
  setPolicy(policy: CompiledPolicy, tag?: string): void {
    this.#policies.set(tag, policy)
    this.#decideAgain(tag)
  }

  /** The command has ended: what still comes with its tag is denied. */
  removePolicy(tag: string): void {
    this.#policies.delete(tag)
    this.#decideAgain(tag)
  }

  /** Resets every flow; what comes later is refused. Resolves, without a wait that can be felt, when all of them are told of. Safe to repeat. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const flow of this.#flows.keys()) flow.refuse('refused', 'the network of the sandbox is closed')
    void this.#http?.then((engine) => engine?.close?.())
    let limit: Timer | undefined
    const late = new Promise<void>((resolve) => {
      limit = setTimeout(resolve, TELL_WITHIN_MS)
    })
    await Promise.race([Promise.all(this.#served), late])
    clearTimeout(limit)
  }

  /** Told once a minute: a flood must not fill the log as well. */
  #refuseMore(flow: Flow): void {
    const { op, port, dst } = flow.request
    const reason = 'too many connections are open'
    if (this.#told.isNew(reason)) this.#options.record({ kind: op, address: dst, port, verdict: 'failed', reason })
    flow.refuse('refused', reason)
  }

  async #serve(flow: Flow): Promise<void> {
    const { request } = flow
    const wanted = findTarget(request, this.#names)
    if (wanted.kind === 'dns') return await serveDns(flow, this.#dns)
    const isLiteral = wanted.kind === 'literal'
    const host = wanted.kind === 'nowhere' ? request.dst.toLowerCase() : wanted.host
    const target: Target = { host, port: request.port, ...(request.tag === undefined ? {} : { tag: request.tag }) }
    const run = new FlowRun(
      flow,
      { target, isLiteral: isLiteral || wanted.kind === 'nowhere' },
      this.#decide(wanted, request),
      this.#context,
    )
    this.#flows.set(flow, run)
    if (wanted.kind === 'nowhere') return run.deny({ allowed: false, reason: wanted.reason })
    const release = isLiteral ? undefined : this.#names.hold(host)
    try {
      await (request.op === 'tcp' ? serveTcp(run) : serveUdp(run))
    } finally {
      release?.()
    }
  }

  #decide(wanted: Wanted, { port, op, tag }: Flow['request']): Verdict {
    const policy = this.#policies.get(tag)
    if (policy === undefined) return { allowed: false, reason: 'the command it belongs to is unknown' }
    if (wanted.kind !== 'name' && wanted.kind !== 'literal') return { allowed: false, reason: 'it goes nowhere' }
    const verdict = wanted.kind === 'name' ? policy.decideName(wanted.host, port, op) : policy.decideAddress(wanted.host, port, op)
    const isDnsElsewhere = port === DNS_PORT && verdict.allowed && verdict.rule === PUBLIC_RULE
    return isDnsElsewhere ? { allowed: false, reason: 'names are looked up by the gateway only', hint: dnsHint(wanted.host, op) } : verdict
  }

  #decideAgain(tag: string | undefined): void {
    for (const run of this.#flows.values()) {
      if (run === undefined || run.target.tag !== tag || !run.verdict.allowed) continue
      const verdict = run.decide()
      if (!verdict.allowed) run.deny({ ...verdict, reason: `${verdict.reason}; the rules have changed` })
    }
  }

  async #openHttp(): Promise<HttpEngine | undefined> {
    try {
      return await this.#options.opener?.({
        policy: (tag) => this.#policies.get(tag),
        dial: async (target, signal) =>
          this.#handOver(target) ?? (await this.#dialer.dial(target, 'tcp', this.#policies.get(target.tag), signal)),
        record: this.#options.record,
      })
    } catch (error) {
      ignore(error, 'what needs it is refused, and tried again with the next flow')
      this.#http = undefined
      return undefined
    }
  }

  /** The connection that was made before it was clear that this is HTTP; it can be used once. */
  #handOver(target: Target): Upstream | undefined {
    const upstream = this.#context.dialed.get(target)
    this.#context.dialed.delete(target)
    return upstream
  }
}

function dnsHint(host: string, protocol: 'tcp' | 'udp'): string {
  return `--allow ${protocol === 'udp' ? 'udp:' : ''}${host.includes(':') ? `[${host}]` : host}:${DNS_PORT}`
}

/** One sandbox's share of the host's network. */
function withSlots(network: HostNetwork, limits: GatewayLimits): HostNetwork {
  const slots = new Slots(limits.dialing, limits.flows)
  const lookups = new Slots(limits.lookups, limits.flows)
  return {
    resolve: async (name, signal) => {
      const found = await lookups.use(() => network.resolve(name, signal))
      if (found === undefined) throw new DialError('timed_out', 'too many names are being looked up')
      return found
    },
    records: async (name, type, signal) => (await network.records?.(name, type, signal)) ?? [],
    dialUdp: (address, port) => network.dialUdp(address, port),
    dialTcp: async (address, port, signal) => {
      const upstream = await slots.use(() => network.dialTcp(address, port, signal))
      if (upstream === undefined) throw new DialError('timed_out', 'too many connections are being made')
      return upstream
    },
  }
}
