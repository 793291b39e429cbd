import { isIP } from 'node:net'
import type { Authority } from '../tls/authority.ts'
import { type HttpProtocol, TlsClient } from '../tls/connect-tls.ts'
import { HandshakeError, terminateTls } from '../tls/terminate.ts'
import type { Flow, HttpDoors, HttpEngine, Target, Verdict } from '../types.ts'
import { type ExchangeDeps, Exchange, type Way } from './exchange.ts'
import type { Denial } from './denial-page.ts'
import { serveHttp2 } from './h2/program-http2.ts'
import { HTTP_LIMITS, type HttpLimits } from './http-limits.ts'
import { Outside } from './outside.ts'
import type { Pipe } from './pipe.ts'
import { type ProgramSide, serveHttp1 } from './program-http1.ts'

export interface HttpEngineOptions extends Omit<ExchangeDeps, 'doors'> {
  /** The sandbox's own. Without one no TLS can be opened: such flows are reset. */
  readonly authority?: Authority
  /** PEM of everything that servers outside are trusted by. Asked for once, at the first connection over TLS. */
  readonly trusted: () => Promise<readonly string[]>
  readonly limits?: Partial<HttpLimits>
}

/** What looks into the HTTP of one sandbox. */
export function createHttpEngine(doors: HttpDoors, options: HttpEngineOptions): HttpEngine {
  return new Engine(doors, options)
}

class Engine implements HttpEngine {
  readonly #authority: Authority | undefined
  readonly #limits: HttpLimits
  readonly #deps: ExchangeDeps
  readonly #outside: Outside

  constructor(doors: HttpDoors, { authority, trusted, limits, ...deps }: HttpEngineOptions) {
    this.#authority = authority
    this.#limits = { ...HTTP_LIMITS, ...limits }
    this.#deps = { ...deps, doors }
    this.#outside = new Outside(doors, new TlsClient(trusted), this.#limits.responseMs)
  }

  async serve(flow: Flow, first: Uint8Array, target: Target, scheme: 'http' | 'tls', verdict: Verdict): Promise<void> {
    flow.unread(first)
    const pipe = pipeOfFlow(flow)
    if (scheme === 'http') {
      const protocol = startsAsHttp2(first) ? 'h2' : 'http/1.1'
      return await this.#speak(pipe, protocol, this.#way(target, 'http', verdict, protocol))
    }
    const opened = await this.#open(pipe, target)
    if (typeof opened !== 'string') {
      return await this.#speak(opened.pipe, opened.protocol, this.#way(target, 'https', verdict, opened.protocol))
    }
    if (verdict.allowed) this.#tell(target, { status: 0, reason: opened }, 'failed')
    flow.refuse('refused', opened)
  }

  /** A text: why not. */
  async #open(pipe: Pipe, target: Target): Promise<{ readonly pipe: Pipe; readonly protocol: HttpProtocol } | string> {
    if (this.#authority === undefined) return 'there is no authority that could open TLS'
    try {
      return await terminateTls(pipe, this.#authority, target.host, ['h2', 'http/1.1'])
    } catch (error) {
      return error instanceof HandshakeError ? error.message : 'the TLS of this connection cannot be opened'
    }
  }

  close(): void {
    this.#outside.close()
  }

  #way(target: Target, scheme: 'http' | 'https', verdict: Verdict, protocol: HttpProtocol): Way {
    return {
      target,
      scheme,
      verdict,
      send: (request, onCancel) =>
        protocol === 'h2'
          ? this.#outside.sendHttp2(request, target, scheme, onCancel)
          : this.#outside.send(request, target, scheme, onCancel),
    }
  }

  async #speak(pipe: Pipe, protocol: HttpProtocol, way: Way): Promise<void> {
    const { target, scheme } = way
    const side: ProgramSide = {
      target,
      scheme,
      limits: this.#limits,
      exchange: (request, asker) => new Exchange(this.#deps, way).run(request, asker),
      onBad: (denial, method) => this.#tell(target, denial, 'denied', method),
    }
    await (protocol === 'h2' ? serveHttp2(pipe, side) : serveHttp1(pipe, side))
  }

  /** What happened before there was a request. */
  #tell({ host, port, tag }: Target, { status, reason }: Denial, verdict: 'denied' | 'failed', method?: string): void {
    this.#deps.doors.record({
      kind: 'http',
      ...(tag === undefined ? {} : { exec: tag }),
      ...(isIP(host) === 0 ? { host } : { address: host }),
      port,
      ...(method === undefined ? {} : { method }),
      verdict,
      reason,
      ...(status === 0 ? { opened: false } : { status, opened: true }),
    })
  }
}

/** A program that knows that there is HTTP/2 says so with its first bytes; no request of HTTP/1 begins like this. */
const startsAsHttp2 = (first: Uint8Array): boolean => Buffer.from(first.subarray(0, HTTP2.length)).toString('latin1') === HTTP2
const HTTP2 = 'PRI * HTTP/2.0\r\n'

function pipeOfFlow(flow: Flow): Pipe {
  return {
    closed: flow.closed,
    read: () => flow.read(),
    write: (bytes) => flow.write(bytes),
    end: () => flow.end(),
    destroy: () => flow.refuse('refused', 'the connection was broken off'),
  }
}
