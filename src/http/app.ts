import type { Server, WebSocketHandler } from 'bun'
import type * as z from 'zod'
import { AppError, isAppError } from '../contract/errors.ts'
import type { Operation } from '../contract/operation.ts'
import { OPERATIONS } from '../contract/operations.ts'
import type { Caller } from '../contract/sandbox-operations.ts'
import { requireKey } from './auth.ts'
import { readJsonBody } from './body.ts'
import { DEFAULT_LIMITS, type HttpDeps } from './deps.ts'
import { corsHeaders, type Door, preflight, requireKnownHost, requireKnownOrigin } from './door.ts'
import { failureOf, jsonResponse, successBody } from './envelope.ts'
import type { ServerEvent } from './event-stream.ts'
import { allowPause, clientGone, type Exchange, unlessForced } from './exchange.ts'
import { refuseLaterFields, requireKeyFor, requireSudoAllowed } from './gates.ts'
import type { Handler, Handlers } from './handler.ts'
import { readInput } from './input.ts'
import { HttpMetrics } from './metrics.ts'
import { requestIdOf } from './request-id.ts'
import { createRouter, methodsOf, type Route } from './router.ts'
import { errorEvent } from './run-events.ts'
import { routeHandlers } from './routes/all.ts'
import type { SocketData } from './socket-session.ts'
import { eventsResponse } from './stream-response.ts'
import { traceContextOf } from './trace-context.ts'
import { Traffic } from './traffic.ts'

/** The HTTP door, to be put behind listeners. */
export interface HttpApp {
  /** Answers a request that came through `door`. Never fails. */
  fetch(request: Request, server: Server<SocketData>, door: Door): Promise<Response>
  readonly websocket: WebSocketHandler<SocketData>
  readonly keys: HttpDeps['keys']
  /** True while a request is under way, or an answer still streams. */
  readonly busy: () => boolean
  /** Lets nothing new in, and waits at most `graceMs` until what is under way is done. Ends no command. Safe to call again. */
  drain(graceMs: number): Promise<void>
}

const MAX_SOCKET_MESSAGE_BYTES = 4 * 1024 ** 2
/** Far more than the one frame that is ever waiting, so that nothing is dropped. */
const SOCKET_BACKPRESSURE_BYTES = 16 * 1024 ** 2
/**
 * Seconds without an answer to a ping after which a WebSocket's client is taken for dead: the most there can be, because a client whose reader
 * pauses (`exec … | less`) answers no pings either.
 */
const SOCKET_IDLE_SECONDS = 960

const NOWHERE = 'http://localhost/'

export function createHttpApp(deps: HttpDeps): HttpApp {
  const limits = { ...DEFAULT_LIMITS, ...deps.limits }
  const traffic = new Traffic(limits.inFlight)
  const metrics = new HttpMetrics(deps.metrics, deps.version)
  metrics.follow(deps.sandboxes, traffic.closing).catch((error: unknown) => {
    deps.log('error', 'metrics no longer follow what happens to sandboxes', { error: String(error) })
  })
  const handlers = routeHandlers(metrics)
  const route = createRouter((found, exchange) => answer(found, exchange, handlers))

  return {
    keys: deps.keys,
    busy: () => traffic.count > 0,
    drain: (graceMs) => traffic.drain(graceMs),
    fetch: async (request, server, door) => {
      const startedAt = performance.now()
      const exchange = begin({ request, server, door, deps, limits, traffic, metrics })
      const response = await respond(exchange, route)
      const { route: path, id } = exchange
      metrics.request(knownMethod(request.method), path, response.status, (performance.now() - startedAt) / 1000)
      deps.log('debug', 'request', { request_id: id, method: knownMethod(request.method), route: path, status: response.status })
      return response
    },
    websocket: {
      open: (socket) => socket.data.session.opened(socket),
      message: (socket, message) => socket.data.session.received(message),
      drain: (socket) => socket.data.session.drained(),
      close: (socket) => socket.data.session.closed(),
      maxPayloadLength: MAX_SOCKET_MESSAGE_BYTES,
      backpressureLimit: SOCKET_BACKPRESSURE_BYTES,
      idleTimeout: SOCKET_IDLE_SECONDS,
      sendPings: true,
    },
  }
}

type Parts = Pick<Exchange, 'request' | 'server' | 'door' | 'deps' | 'limits' | 'traffic' | 'metrics'>

function begin(parts: Parts): Exchange {
  const { request, door, traffic } = parts
  const keyed = door.kind === 'socket' || !door.keys.none
  return {
    ...parts,
    id: requestIdOf(request.headers),
    // Without a usable Host header the address has none either, and may be none at all.
    url: URL.parse(request.url, NOWHERE) ?? new URL(NOWHERE),
    caller: { door: door.kind, authenticated: keyed, ...traceContextOf(request.headers) } satisfies Caller,
    signal: clientGone(request, traffic),
    route: 'unmatched',
    bodyRead: request.body === null,
    release: () => undefined,
  }
}

/** The whole answer, whatever happens. */
async function respond(exchange: Exchange, route: (exchange: Exchange) => Promise<Response>): Promise<Response> {
  const { request, door, traffic, id, deps } = exchange
  const beside = { 'x-request-id': id, ...corsHeaders(request, door) }
  try {
    exchange.release = traffic.enter()
    const asked = admit(exchange)
    if (asked !== undefined) return asked
    const response = await unlessForced(route(exchange), traffic)
    for (const [name, value] of Object.entries(beside)) response.headers.set(name, value)
    return response
  } catch (error) {
    const { status, body, headers, bug } = failureOf(error)
    if (bug) logBug(exchange, error)
    else if (status === 401 || status === 403)
      deps.log('warning', 'refused', { request_id: id, route: exchange.route, code: String(body['code']) })
    // What has not been read of the body would otherwise be taken for the next request, or be read to its end.
    const connection = traffic.closing.aborted || !exchange.bodyRead ? { connection: 'close' } : {}
    const allow = status === 405 ? { allow: methodsOf(exchange.route) } : {}
    return jsonResponse(status, bug ? { ...body, request_id: id } : body, { ...headers, ...allow, ...beside, ...connection })
  } finally {
    exchange.release()
  }
}

/** Everything that is asked of a request before it is looked at. A response when that is all it wanted. */
function admit({ request, door, url }: Exchange): Response | undefined {
  if (door.kind === 'http') {
    requireKnownHost(request, door)
    requireKnownOrigin(request, door)
    const asked = preflight(request, door)
    if (asked !== undefined) return asked
  }
  const isOpen = OPEN_PATHS.has(url.pathname)
  if (!isOpen && door.keys !== undefined && !door.keys.none) requireKey(request.headers, door.keys)
  return undefined
}

const OPEN_PATHS: ReadonlySet<string> = new Set(
  Object.values<Operation>(OPERATIONS).flatMap(({ http }) => (http?.open === true ? [http.path] : [])),
)

/** One operation: its input, the gates, its handler, the envelope. */
async function answer(route: Route, exchange: Exchange, handlers: Handlers): Promise<Response> {
  const { request, url, caller, deps, limits } = exchange
  const { name, http } = route
  exchange.route = route.template
  if (request.method === 'HEAD' && ['events', 'socket'].includes(http.reply ?? 'json')) {
    throw new AppError('method_not_allowed', `HEAD is not for ${route.template}`)
  }
  const takesJson = request.method !== 'GET' && request.method !== 'HEAD' && http.bytesIn !== true
  try {
    const body = takesJson ? await readJsonBody(request, limits.jsonBytes, limits.jsonMs) : {}
    if (takesJson) exchange.bodyRead = true
    // From here on it is we who take our time.
    allowPause(exchange, 0)
    const operation: Operation = OPERATIONS[name]
    const gate = (members: Members): void => passGates(members, name, caller, deps)
    // Once as it was written, for members that no schema knows, and once as it was understood.
    requestsIn({ ...Object.fromEntries(url.searchParams), ...body }).forEach(gate)
    const { input, warnings } = readInput(operation.input, { params: route.params(url.pathname), query: url.searchParams, body })
    // Every input is an object.
    requestsIn(input as Members).forEach(gate)
    // The input has just been read with the schema of the same name.
    const reply = await (handlers[name] as Handler<never>)(input as z.output<never>, exchange, warnings)
    if (reply instanceof Response) return reply
    allowPause(exchange, limits.readStallSeconds)
    return jsonResponse(http.status ?? 200, successBody(reply, warnings))
  } catch (error) {
    allowPause(exchange, limits.readStallSeconds)
    // Clients of the earlier product read what is wrong with a request from the stream that they asked for.
    if (name === 'runStream' && exchange.bodyRead && isAppError(error, 'invalid_argument')) return eventsResponse(exchange, only(error))
    throw error
  }
}

async function* only(error: AppError): AsyncGenerator<ServerEvent> {
  yield errorEvent(error)
}

type Members = Readonly<Record<string, unknown>>

function passGates(members: Members, name: string, caller: Caller, deps: HttpDeps): void {
  requireKeyFor(members, caller)
  requireSudoAllowed(members, caller, deps.allowSudoExec)
  if (MAKES_SANDBOXES.has(name)) refuseLaterFields(members)
}
const MAKES_SANDBOXES: ReadonlySet<string> = new Set(['run', 'runStream', 'batchRun', 'sandboxCreate'])

/** A request, and those of a batch that are in it. */
function requestsIn(members: Members): Members[] {
  const batch: readonly unknown[] = Array.isArray(members['commands']) ? members['commands'] : []
  return [members, ...batch.filter((item): item is Members => typeof item === 'object' && item !== null)]
}

/** Methods are labels of metrics, which nobody outside may make up. */
function knownMethod(method: string): string {
  return ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].includes(method) ? method : 'OTHER'
}

function logBug({ deps, id, route }: Exchange, error: unknown): void {
  const known = error instanceof Error ? error : undefined
  deps.log('error', 'a request failed in a way that we did not expect', {
    request_id: id,
    route,
    error: String(error),
    stack: known?.stack,
    cause: known?.cause instanceof Error ? (known.cause.stack ?? known.cause.message) : undefined,
  })
}
