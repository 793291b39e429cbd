import type { NetworkEvent } from '../contract/network.ts'
import type { CompiledPolicy } from '../policy/network/types.ts'
import type { Dialer } from './dialer.ts'
import { DeniedError } from './dialer.ts'
import type { GatewayLimits } from './gateway-limits.ts'
import type { Traffic } from './pass.ts'
import {
  DialError,
  type Flow,
  type FlowRefusal,
  type HttpEngine,
  type Injector,
  type Meter,
  type Record,
  type Target,
  type Upstream,
  type Verdict,
} from './types.ts'

/** What a flow needs of its gateway. */
export interface FlowContext {
  readonly dialer: Dialer
  readonly record: Record
  readonly limits: GatewayLimits
  readonly injector?: Injector
  readonly meter?: Meter
  /** The rules that hold now for the flow's tag. */
  readonly policy: (tag: string | undefined) => CompiledPolicy | undefined
  /** Undefined: nothing can be opened. Loaded at its first use. */
  readonly http: () => Promise<HttpEngine | undefined>
  /** The connection that the engine gets when it dials for this very target. */
  readonly dialed: WeakMap<Target, Upstream>
  /** How many denied flows wait for their first bytes, so that a flood of them is bounded. */
  readonly denied: { waiting: number }
}

/** One flow on its way: where it goes, what was decided, what passed. */
export class FlowRun {
  readonly flow: Flow
  readonly target: Target
  readonly isLiteral: boolean
  readonly verdict: Verdict
  readonly context: FlowContext
  readonly traffic: Traffic = { out: 0, in: 0 }
  readonly #startMs = performance.now()
  #told = false

  constructor(flow: Flow, where: { readonly target: Target; readonly isLiteral: boolean }, verdict: Verdict, context: FlowContext) {
    this.flow = flow
    this.target = where.target
    this.isLiteral = where.isLiteral
    this.verdict = verdict
    this.context = context
  }

  get protocol(): 'tcp' | 'udp' {
    return this.flow.request.op
  }

  /** What the rules say now about the flow's target. */
  decide(): Verdict {
    const { host, port, tag } = this.target
    const policy = this.context.policy(tag)
    if (policy === undefined) return { allowed: false, reason: 'the command it belongs to is unknown' }
    return this.isLiteral ? policy.decideAddress(host, port, this.protocol) : policy.decideName(host, port, this.protocol)
  }

  /** Ends the flow as denied, and says why. */
  deny(verdict: Verdict & { readonly allowed: false }): void {
    const { allowed: _, ...why } = verdict
    this.tell({ verdict: 'denied', ...why })
    this.flow.refuse('denied', verdict.reason)
  }

  /** Ends the flow as one that could not be connected. */
  fail(error: unknown): void {
    if (error instanceof DeniedError) return this.deny(error.verdict)
    const known = error instanceof DialError ? error : new DialError('unreachable', 'the connection failed')
    this.tell({ verdict: 'failed', reason: known.message })
    this.flow.refuse(REFUSALS[known.code], known.message)
  }

  /** One event for each flow: the first that is told. */
  tell(event: Pick<NetworkEvent, 'verdict' | 'address' | 'reason' | 'hint' | 'rule'>): void {
    if (this.#told) return
    this.#told = true
    const { host, port, tag } = this.target
    const { out, in: into } = this.traffic
    this.context.record({
      kind: this.protocol,
      ...(tag === undefined ? {} : { exec: tag }),
      ...(this.isLiteral ? { address: host } : { host }),
      port,
      ...event,
      ...(out + into > 0 || event.verdict === 'allowed'
        ? { bytes_out: out, bytes_in: into, duration_ms: Math.round(performance.now() - this.#startMs) }
        : {}),
    })
  }

  /** The HTTP engine has taken over, and tells what happens. */
  toldByOthers(): void {
    this.#told = true
  }
}

const REFUSALS: Readonly<{ [code in DialError['code']]: FlowRefusal }> = {
  denied: 'denied',
  not_found: 'unreachable',
  refused: 'refused',
  unreachable: 'unreachable',
  timed_out: 'timed_out',
}
