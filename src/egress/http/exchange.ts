import type { NetworkEvent } from '../../contract/network.ts'
import { ignore } from '../../lib/ignore.ts'
import {
  type BodyFilter,
  DialError,
  type HttpDoors,
  type Injector,
  type Meter,
  type MeterTap,
  type RequestHead,
  type ResponseHead,
  type Target,
  type Verdict,
} from '../types.ts'
import { filtered } from './body.ts'
import { pathOf } from './request-target.ts'

/** What every exchange of a sandbox needs. */
export interface ExchangeDeps {
  readonly doors: HttpDoors
  readonly injector?: Injector
  readonly meter?: Meter
  /** Told of requests that go out and of their answers. Must not throw. */
  readonly onRequest?: (seen: SeenRequest) => void
  readonly onResponse?: (seen: SeenRequest) => void
}
/** A request as hooks and events tell it: no query, no value of a secret. */
export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly host: string
  readonly status?: number
  readonly secretInjected: boolean
  readonly latencyMs?: number
}

/** Where a request goes, and how it came. */
export interface Asked {
  readonly target: Target
  readonly scheme: 'http' | 'https'
}

/** What was decided about one request. */
export type Decision =
  | { readonly kind: 'denied'; readonly status: number; readonly reason: string; readonly hint?: string }
  | { readonly kind: 'pass'; readonly exchange: Exchange }

/** A body was on its way with something that must not leave. */
export class BodyBlocked extends Error {}

/**
 * Decides on one request that has been read and checked: by the rules, for its secrets, by its budget. A denial has been recorded.
 * `head` is as it came, without what was about its connection only.
 */
export function decide(deps: ExchangeDeps, asked: Asked, head: RequestHead): Decision {
  const { target, scheme } = asked
  const path = pathOf(head.target)
  const deny = (
    status: number,
    why: { readonly reason: string; readonly hint?: string; readonly rule?: string },
    secrets?: readonly string[],
  ) => {
    deps.doors.record({ ...about(asked, head), verdict: 'denied', status, ...why, ...(secrets === undefined ? {} : { secrets }) })
    const { rule: _, ...told } = why
    return { kind: 'denied', status, ...told } as const
  }
  const verdict: Verdict | undefined = deps.doors
    .policy(target.tag)
    ?.decideRequest({ host: target.host, port: target.port, scheme, method: head.method, path })
  if (verdict === undefined) return deny(403, { reason: 'the command it belongs to is unknown' })
  if (!verdict.allowed) return deny(403, { reason: verdict.reason, ...given('hint', verdict.hint), ...given('rule', verdict.rule) })
  const injected = deps.injector?.request({ ...target, scheme }, head)
  if (injected?.kind === 'blocked') return deny(403, { reason: injected.reason }, injected.secrets)
  const sent = injected?.head ?? head
  const secrets = injected?.secrets ?? []
  const metered = deps.meter?.begin(target, sent, secrets)
  if (metered?.kind === 'refused') return deny(429, { reason: metered.reason })
  const exchange = new Exchange(deps, asked, { head: sent, body: injected?.body, secrets, rule: verdict.rule, tap: metered?.tap })
  return { kind: 'pass', exchange }
}

interface Going {
  readonly head: RequestHead
  readonly body: BodyFilter | undefined
  readonly secrets: readonly string[]
  readonly rule: string
  readonly tap: MeterTap | undefined
}

/** One request that goes out, from there to the end of its answer; whichever version of HTTP carries it. */
export class Exchange {
  readonly head: RequestHead
  /** True: the body's length may change on its way. */
  readonly changesLength: boolean
  readonly #deps: ExchangeDeps
  readonly #asked: Asked
  readonly #going: Going
  readonly #startMs = performance.now()
  #status: number | undefined
  #out = 0
  #in = 0
  #isOver = false

  constructor(deps: ExchangeDeps, asked: Asked, going: Going) {
    this.#deps = deps
    this.#asked = asked
    this.#going = going
    this.head = going.head
    this.changesLength = going.body?.changesLength === true
    deps.onRequest?.(this.#seen())
  }

  /** The content to send, as it is to leave. Throws BodyBlocked. */
  async *requestBody(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    const { tap, body: filter } = this.#going
    const seen = each(body, (piece) => tap?.requestBody(piece))
    for await (const piece of unlessBlocked(filtered(seen, filter), filter)) {
      this.#out += piece.length
      yield piece
    }
  }

  /** The answer's head as the program gets it, and how its content is to be changed. */
  response(head: ResponseHead): { readonly head: ResponseHead; readonly filter: BodyFilter | undefined } {
    this.#status = head.status
    this.#going.tap?.response(head)
    const changed = this.#deps.injector?.response(this.#asked.target, head)
    return { head: changed?.head ?? head, filter: changed?.body }
  }

  async *responseBody(body: AsyncIterable<Uint8Array>, filter: BodyFilter | undefined): AsyncGenerator<Uint8Array, void> {
    const seen = each(body, (piece) => {
      this.#in += piece.length
      this.#going.tap?.responseBody(piece)
    })
    yield* unlessBlocked(filtered(seen, filter), filter)
  }

  /** Tells how it ended. Once; later calls do nothing. */
  end(error?: unknown): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#going.tap?.end()
    const { secrets, rule } = this.#going
    const failed = error !== undefined && this.#status === undefined
    const blocked = error instanceof BodyBlocked
    this.#deps.doors.record({
      ...about(this.#asked, this.head),
      verdict: blocked ? 'denied' : failed ? 'failed' : 'allowed',
      rule,
      ...(blocked || failed ? { reason: reasonFor(error) } : {}),
      ...given('status', this.#status),
      bytes_out: this.#out,
      bytes_in: this.#in,
      duration_ms: Math.round(performance.now() - this.#startMs),
      ...(secrets.length === 0 ? {} : { secrets }),
    })
    this.#deps.onResponse?.(this.#seen())
  }

  #seen(): SeenRequest {
    const { target, scheme } = this.#asked
    return {
      method: this.head.method,
      url: `${scheme}://${target.host}:${target.port}${pathOf(this.head.target)}`,
      host: target.host,
      secretInjected: this.#going.secrets.length > 0,
      ...(this.#status === undefined ? {} : { status: this.#status, latencyMs: Math.round(performance.now() - this.#startMs) }),
    }
  }
}

/** What every event about a request tells. */
export function about({ target, scheme }: Asked, head: RequestHead): Pick<NetworkEvent, 'kind' | 'port' | 'method' | 'path' | 'opened'> {
  const { host, port, tag } = target
  return {
    kind: 'http',
    ...hostOrAddress(host),
    port,
    method: head.method,
    path: pathOf(head.target),
    opened: scheme === 'https',
    ...given('exec', tag),
  }
}

function hostOrAddress(host: string): { readonly host: string } | { readonly address: string } {
  return /^[\d.]+$|:/.test(host) ? { address: host } : { host }
}

/** Why a request failed, without anything of the request. */
export function reasonFor(error: unknown): string {
  if (error instanceof DialError || error instanceof BodyBlocked) return error.message
  ignore(error, 'its text may hold what the other side sent')
  return 'the exchange was broken off'
}

async function* unlessBlocked(body: AsyncIterable<Uint8Array>, filter: BodyFilter | undefined): AsyncGenerator<Uint8Array, void> {
  for await (const piece of body) {
    if (filter?.blocked !== undefined) throw new BodyBlocked(filter.blocked)
    yield piece
  }
  if (filter?.blocked !== undefined) throw new BodyBlocked(filter.blocked)
}

async function* each(body: AsyncIterable<Uint8Array>, see: (piece: Uint8Array) => void): AsyncGenerator<Uint8Array, void> {
  for await (const piece of body) {
    see(piece)
    yield piece
  }
}

function given<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: V })
}
