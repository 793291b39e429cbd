import { bodyOf, type ByteSource, readableBytes } from './bytes.ts'
import { checkTimeout, type ClientConfig } from './config.ts'
import { AgentKernelError, errorFromResponse, isRecord, NetworkError, StreamError } from './errors.ts'
import { parseEventStream, type SseEvent } from './sse.ts'
import { failure, followSignal, withTimeLimit } from './time-limit.ts'
import { type Query, queryString } from './url.ts'
import { VERSION } from './version.ts'

export const USER_AGENT = `agentkernel-nodejs-sdk/${VERSION}`

/** What every method takes as (part of) its last argument. */
export interface RequestOptions {
  /** Ends the request; the method then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Limit in ms, in place of the client's; 0 = none. Streams have none. */
  timeout?: number
}

/** What a method that streams takes. */
export interface StreamOptions {
  /** Ends the stream; it then fails with the signal's reason. */
  signal?: AbortSignal
}

export interface Call {
  readonly query?: Query
  /** Sent as JSON. */
  readonly body?: unknown
  /** Sent as it is, as `application/octet-stream` or as `headers` say. */
  readonly bytes?: ByteSource
  readonly headers?: Readonly<Record<string, string>>
  readonly options?: RequestOptions | undefined
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** An answer whose body is still to come. `close` must be called, and may be called at any time. */
export interface OpenResponse {
  readonly response: Response
  /** Pieces of the body; fails as the request would. */
  readonly pieces: AsyncGenerator<Uint8Array, void, void>
  readonly close: () => void
}

/** Requests to one server: headers, time limits, the envelope, errors. */
export class Transport {
  readonly config: ClientConfig

  constructor(config: ClientConfig) {
    this.config = config
  }

  /** One request, one answer: what is in the envelope's `data`, or the whole answer where there is no envelope. */
  async json<T>(method: Method, path: string, call: Call = {}): Promise<T> {
    // The one place where an answer gets its type: servers of every version are trusted to answer as documented.
    return (await this.#unary(method, path, call, async (response) => (await envelopeOf(response))['data'])) as T
  }

  /** The same with what stands beside `data` in the envelope. */
  async envelope(method: Method, path: string, call: Call = {}): Promise<Record<string, unknown>> {
    return this.#unary(method, path, call, envelopeOf)
  }

  /** One request whose answer is somebody else's: no envelope, JSON or text, whatever it is. */
  async raw(method: Method, path: string, call: Call = {}): Promise<unknown> {
    return this.#unary(method, path, call, bodyAsJson)
  }

  /** One request whose answer is text and has no envelope. */
  async text(method: Method, path: string, call: Call = {}): Promise<string> {
    return this.#unary(method, path, call, async (response) => response.text())
  }

  /** A request whose answer is read as it comes. No time limit; `signal` ends it at any point. */
  async open(method: Method, path: string, call: Call = {}): Promise<OpenResponse> {
    const what = `${method} ${path}`
    const controller = new AbortController()
    const release = followSignal(call.options?.signal, controller)
    try {
      const response = await this.#fetch(method, path, call, controller.signal)
      if (!response.ok) throw errorFromResponse(response.status, await bodyAsJson(response), requestIdOf(response))
      const close = (): void => {
        release()
        controller.abort(new StreamError(`${what} was closed`))
      }
      return { response, pieces: guarded(response.body, controller.signal, what), close }
    } catch (error) {
      release()
      throw failure(error, controller.signal, what)
    }
  }

  /** A request that is answered by events. Leaving the loop ends it. */
  async *events(method: Method, path: string, call: Call = {}): AsyncGenerator<SseEvent, void, void> {
    yield* await this.openEvents(method, path, call)
  }

  /** Resolves when the server has said that events will come. What it gives must be iterated: leaving it ends the request. */
  async openEvents(method: Method, path: string, call: Call = {}): Promise<AsyncGenerator<SseEvent, void, void>> {
    const headers = { Accept: 'text/event-stream', ...call.headers }
    const { response, pieces, close } = await this.open(method, path, { ...call, headers })
    const type = response.headers.get('content-type') ?? ''
    if (/^text\/event-stream\b/i.test(type)) return closing(parseEventStream(pieces), close)
    close()
    throw new StreamError(`${method} ${path} was answered with ${type || 'no content type'}, not with events`, {
      status: response.status,
      requestId: requestIdOf(response),
    })
  }

  /** What a WebSocket's or a proxy's own request needs to be let in. */
  authHeaders(): Record<string, string> {
    const { apiKey } = this.config
    return { 'User-Agent': USER_AGENT, ...(apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` }) }
  }

  async #unary<T>(method: Method, path: string, call: Call, read: (response: Response) => Promise<T>): Promise<T> {
    const timeout = call.options?.timeout === undefined ? this.config.timeout : checkTimeout(call.options.timeout)
    return withTimeLimit({ timeout, signal: call.options?.signal, what: `${method} ${path}` }, async (signal) => {
      const response = await this.#fetch(method, path, call, signal)
      if (!response.ok) throw errorFromResponse(response.status, await bodyAsJson(response), requestIdOf(response))
      return read(response)
    })
  }

  async #fetch(method: Method, path: string, call: Call, signal: AbortSignal): Promise<Response> {
    signal.throwIfAborted()
    const headers: Record<string, string> = { Accept: 'application/json', ...this.authHeaders() }
    const init: RequestInit & { duplex?: 'half'; timeout?: boolean } = { method, headers, signal }
    if (call.body !== undefined) {
      headers['Content-Type'] = 'application/json'
      init.body = JSON.stringify(call.body)
    } else if (call.bytes !== undefined) {
      headers['Content-Type'] = 'application/octet-stream'
      const { body, streams } = bodyOf(call.bytes)
      init.body = body
      // Node's fetch sends a stream only when told that the answer comes after it.
      if (streams) init.duplex = 'half'
    }
    // Bun's fetch gives up by itself after five minutes; time limits are ours to set.
    init.timeout = false
    Object.assign(headers, call.headers)
    return this.config.fetch(`${this.config.baseUrl}${path}${queryString(call.query ?? {})}`, init)
  }
}

export function requestIdOf(response: Response): string | undefined {
  return response.headers.get('x-request-id') ?? undefined
}

/** The body as JSON, or as text when it is none. */
async function bodyAsJson(response: Response): Promise<unknown> {
  const text = await response.text()
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

/** The envelope of an answer; one is made for an answer without. */
async function envelopeOf(response: Response): Promise<Record<string, unknown>> {
  const body = await bodyAsJson(response)
  if (response.status === 204) return {}
  if (typeof body === 'string' && !isJson(response)) {
    throw new AgentKernelError('the answer is not JSON: baseUrl names something else than an agentkernel server', {
      status: response.status,
      requestId: requestIdOf(response),
    })
  }
  if (!isRecord(body) || typeof body['success'] !== 'boolean') return { data: body }
  if (body['success']) return body
  throw errorFromResponse(response.status, body, requestIdOf(response))
}

function isJson(response: Response): boolean {
  return /^application\/(?:[\w.+-]+\+)?json\b/i.test(response.headers.get('content-type') ?? '')
}

/** The pieces of a body; a connection that breaks is named for what it is. */
async function* guarded(
  body: ReadableStream<Uint8Array> | null,
  signal: AbortSignal,
  what: string,
): AsyncGenerator<Uint8Array, void, void> {
  if (body === null) return
  try {
    yield* readableBytes(body)
  } catch (error) {
    if (signal.aborted) throw signal.reason
    if (error instanceof AgentKernelError) throw error
    throw new NetworkError(`the connection of ${what} broke: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

/** Calls `close` when the items end, or whoever reads them leaves. */
export async function* closing<T>(items: AsyncGenerator<T, void, void>, close: () => void): AsyncGenerator<T, void, void> {
  try {
    yield* items
  } finally {
    close()
  }
}
