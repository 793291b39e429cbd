import { isIP } from 'node:net'
import type { NetworkEvent } from '../../contract/network.ts'
import type { BodyFilter, HttpDoors, Injector, Meter, MeterTap, RequestHead, ResponseHead, Target, Verdict } from '../types.ts'
import { gather, wholeBody } from './body.ts'
import { type Denial, denialPage } from './denial-page.ts'
import { BlockedBody, denialOf } from './failure.ts'
import { type Headers, valuesOf, without } from './head.ts'
import type { Answer, Asker, Body, Incoming } from './message.ts'
import type { RequestGuard } from './request-guard.ts'
import { hostHeader, pathOf } from './request-target.ts'
import { guardedRaw } from './web-socket-guard.ts'

/** Sends a request on its way: to a server of HTTP/1.1 or HTTP/2. `onCancel` is told how to break it off. */
export type Send = (request: Incoming, onCancel: (cancel: () => void) => void) => Promise<Answer>

/** What one connection of a program has to do with; the same for all of its requests. */
export interface Way {
  readonly target: Target
  readonly scheme: 'http' | 'https'
  /** Of the connection. */
  readonly verdict: Verdict
  readonly send: Send
}

export interface ExchangeDeps {
  readonly doors: HttpDoors
  readonly injector?: Injector
  readonly meter?: Meter
  readonly guard?: RequestGuard
  /** Told of requests that go out and of their answers. Must not throw. */
  readonly onRequest?: (seen: SeenRequest) => void
  readonly onResponse?: (seen: SeenRequest) => void
}

/** A request as hooks tell it: no query, no value of a secret. */
export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly host: string
  readonly status?: number
  readonly secretInjected: boolean
  /** Until the head of the answer, in ms. */
  readonly latencyMs?: number
}

/** Bodies up to here are read before they are sent: fewer packets, and whatever is wrong with them can still be answered. */
const SMALL_BYTES = 64 * 1024
/** The same where a filter changes the length: many servers want to be told it. */
const MEDIUM_BYTES = 4 * 1024 * 1024

/** One request and its answer: decided, changed, sent, counted, recorded. */
export class Exchange {
  readonly #deps: ExchangeDeps
  readonly #way: Way
  readonly #startMs = performance.now()
  #out = 0
  #in = 0
  #secrets: readonly string[] = []
  #event: Pick<NetworkEvent, 'verdict' | 'rule' | 'reason' | 'hint' | 'status'> = { verdict: 'failed', reason: 'it was broken off' }
  #tap: MeterTap | undefined
  #answer: Answer | undefined
  #hasLeft = false

  constructor(deps: ExchangeDeps, way: Way) {
    this.#deps = deps
    this.#way = way
  }

  /** Never rejects. Afterwards the program has its answer, or has seen that there is none. */
  async run(request: Incoming, asker: Asker): Promise<void> {
    let isWhole = false
    try {
      isWhole = await this.#run(request, asker)
    } catch (error) {
      const { verdict, ...denial } = this.#hasLeft ? LEFT : denialOf(error)
      await this.#deny(request, asker, denial, verdict).catch(() => undefined)
    } finally {
      asker.onGone = undefined
      this.#answer?.done(isWhole)
      this.#tap?.end()
      this.#record(request.head)
    }
  }

  /** True: the program has all of the server's answer. */
  async #run(request: Incoming, asker: Asker): Promise<boolean> {
    const verdict = this.#decide(request.head)
    if (!verdict.allowed) return await this.#deny(request, asker, { status: 403, ...verdict }, 'denied', verdict.rule)
    this.#event = { verdict: 'allowed', rule: verdict.rule }
    const { target, scheme } = this.#way
    const injected = this.#deps.injector?.request({ ...target, scheme }, withFraming(request))
    this.#secrets = injected?.secrets ?? []
    if (injected?.kind === 'blocked') return await this.#deny(request, asker, { status: 403, reason: injected.reason }, 'denied')
    const metered = this.#deps.meter?.begin(target, request.head, this.#secrets)
    if (metered?.kind === 'refused') {
      return await this.#deny(request, asker, { status: 429, reason: metered.reason, isBudget: true }, 'denied')
    }
    this.#tap = metered?.tap
    const head = injected?.head ?? request.head
    const body = await this.#bodyOut(request.body, injected?.body)
    const outgoing: Incoming = { ...request, head: { ...head, headers: this.#headersOut(head.headers) }, body }
    const guarded = await this.#deps.guard?.check(target, outgoing)
    if (guarded?.kind === 'denied') return await this.#deny(request, asker, { status: 403, ...guarded }, 'denied')
    this.#deps.onRequest?.(this.#seen(request.head))
    this.#answer = await this.#way.send(guarded?.request ?? outgoing, (cancel) => this.#cancelWith(asker, cancel))
    return await this.#pass(request, this.#answer, asker)
  }

  #cancelWith(asker: Asker, cancel: () => void): void {
    asker.onGone = () => {
      this.#hasLeft = true
      cancel()
    }
  }

  #decide(head: RequestHead): Verdict {
    const { target, scheme, verdict } = this.#way
    if (!verdict.allowed) return verdict
    const policy = this.#deps.doors.policy(target.tag)
    if (policy === undefined) return { allowed: false, reason: 'the command it belongs to is unknown' }
    return policy.decideRequest({ host: target.host, port: target.port, scheme, method: head.method, path: pathOf(head.target) })
  }

  /** Host first, as it is for the connection; what an injector put into framing headers does not count. */
  #headersOut(headers: Headers): Headers {
    const { target, scheme } = this.#way
    // What is searched for echoes must not be compressed.
    const plain = this.#deps.injector?.opens(target.host, target.port) === true ? ['sec-websocket-extensions'] : []
    return [['Host', hostHeader(target, scheme)], ...without(headers, 'host', 'content-length', 'transfer-encoding', 'expect', ...plain)]
  }

  async #bodyOut(body: Body | undefined, filter: BodyFilter | undefined): Promise<Body | undefined> {
    if (body === undefined) return undefined
    return await settled(body, filter, this.#outwards(body, filter))
  }

  async *#outwards({ content }: Body, filter: BodyFilter | undefined): AsyncGenerator<Uint8Array, void> {
    for await (const piece of content) {
      this.#tap?.requestBody(piece)
      const changed = filter === undefined ? piece : filter.push(piece)
      if (filter?.blocked !== undefined) throw new BlockedBody(filter.blocked)
      this.#out += changed.length
      if (changed.length > 0) yield changed
    }
    const last = filter?.end()
    if (filter?.blocked !== undefined) throw new BlockedBody(filter.blocked)
    this.#out += last?.length ?? 0
    if (last !== undefined && last.length > 0) yield last
  }

  async #pass(request: Incoming, answer: Answer, asker: Asker): Promise<boolean> {
    const { target, scheme } = this.#way
    this.#tap?.response(answer.head)
    const hidden = this.#deps.injector?.response(target, answer.head)
    const head = forProgram(hidden?.head ?? answer.head, scheme, hidden?.body?.changesLength === true)
    this.#event = { ...this.#event, status: head.status }
    this.#deps.onResponse?.({
      ...this.#seen(request.head),
      status: head.status,
      latencyMs: Math.round(performance.now() - this.#startMs),
    })
    if (answer.raw !== undefined) {
      const raw = counted(answer.raw, (out, into) => ((this.#out += out), (this.#in += into)))
      await asker.upgrade?.(
        head,
        hidden?.body === undefined ? raw : guardedRaw(raw, () => this.#deps.injector?.response(target, head)?.body),
      )
      return false
    }
    const { body } = answer
    if (body === undefined) return await asker.answer(head, undefined)
    const passed = await settled(body, hidden?.body, this.#inwards(body, hidden?.body))
    const { trailers } = body
    if (trailers === undefined) return await asker.answer(head, passed)
    return await asker.answer(head, { ...passed, trailers: () => this.#trailers(head, trailers()) })
  }

  async *#inwards({ content }: Body, filter: BodyFilter | undefined): AsyncGenerator<Uint8Array, void> {
    for await (const piece of content) {
      this.#in += piece.length
      this.#tap?.responseBody(piece)
      const changed = filter === undefined ? piece : filter.push(piece)
      if (filter?.blocked !== undefined) throw new BlockedBody(filter.blocked)
      if (changed.length > 0) yield changed
    }
    const last = filter?.end()
    if (filter?.blocked !== undefined) throw new BlockedBody(filter.blocked)
    if (last !== undefined && last.length > 0) yield last
  }

  #trailers(head: ResponseHead, headers: Headers): Headers {
    return this.#deps.injector?.response(this.#way.target, { ...head, headers })?.head.headers ?? headers
  }

  /** Answers for the server. A program that has got a part of an answer already gets no other. */
  async #deny(request: Incoming, asker: Asker, denial: Denial, verdict: 'denied' | 'failed', rule?: string): Promise<false> {
    const { reason, hint, answer } = denial
    this.#event = {
      verdict,
      ...(rule === undefined ? {} : { rule }),
      reason,
      ...(hint === undefined ? {} : { hint }),
      status: this.#event.status ?? answer?.head.status ?? denial.status,
    }
    const { head, body } = answer ?? denialPage(denial, valuesOf(request.head.headers, 'accept').join(','))
    const isHead = request.head.method === 'HEAD'
    await asker.answer(
      isHead ? { ...head, headers: [...head.headers, ['Content-Length', `${body.bytes}`]] } : head,
      isHead ? undefined : body,
    )
    return false
  }

  #seen(head: RequestHead): SeenRequest {
    const { target, scheme } = this.#way
    const url = `${scheme}://${hostHeader(target, scheme)}${pathOf(head.target)}`
    return { method: head.method, url, host: target.host, secretInjected: this.#secrets.length > 0 }
  }

  #record(head: RequestHead): void {
    const { target, verdict } = this.#way
    // The gateway has told that the connection is denied.
    if (!verdict.allowed) return
    const { host, port, tag } = target
    this.#deps.doors.record({
      kind: 'http',
      ...(tag === undefined ? {} : { exec: tag }),
      ...(isIP(host) === 0 ? { host } : { address: host }),
      port,
      method: head.method,
      path: pathOf(head.target).slice(0, LONGEST_PATH),
      ...this.#event,
      bytes_out: this.#out,
      bytes_in: this.#in,
      duration_ms: Math.round(performance.now() - this.#startMs),
      ...(this.#secrets.length === 0 ? {} : { secrets: [...this.#secrets] }),
      opened: true,
    })
  }
}

const LONGEST_PATH = 1_024
const LEFT = { verdict: 'failed', status: 502, reason: 'the program left before it had its answer' } as const

/** An injector looks at these to see whether there is a body. */
function withFraming({ head, body }: Incoming): RequestHead {
  if (body === undefined) return head
  const framing = body.bytes === undefined ? (['Transfer-Encoding', 'chunked'] as const) : (['Content-Length', `${body.bytes}`] as const)
  return { ...head, headers: [...head.headers, framing] }
}

/** In memory where it is small, else as it comes; its length where that is known. */
async function settled(body: Body, filter: BodyFilter | undefined, content: AsyncGenerator<Uint8Array>): Promise<Body> {
  const { bytes } = body
  const changes = filter?.changesLength === true
  if (bytes === 0 && filter === undefined) return wholeBody(new Uint8Array(0))
  if (bytes !== undefined && bytes <= (changes ? MEDIUM_BYTES : SMALL_BYTES)) return await gather(content)
  return { bytes: changes ? undefined : bytes, content }
}

/** HTTP/3 goes over UDP, which is refused: there is no use in offering it. */
function forProgram(head: ResponseHead, scheme: 'http' | 'https', isChanged: boolean): ResponseHead {
  const headers = scheme === 'https' ? without(head.headers, 'alt-svc') : head.headers
  return { status: head.status, headers: isChanged ? without(headers, 'content-length') : headers }
}

function counted(raw: NonNullable<Answer['raw']>, count: (out: number, into: number) => void): NonNullable<Answer['raw']> {
  return {
    read: async () => {
      const bytes = await raw.read()
      count(0, bytes?.length ?? 0)
      return bytes
    },
    write: (bytes) => {
      count(bytes.length, 0)
      return raw.write(bytes)
    },
    end: () => raw.end(),
    destroy: () => raw.destroy(),
  }
}
