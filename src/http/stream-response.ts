import { ERRORS, isAppError } from '../contract/errors.ts'
import { bodyOf } from './byte-stream.ts'
import { type ServerEvent, eventStream } from './event-stream.ts'
import { allowPause, type Exchange, takeOver } from './exchange.ts'

/** An answer of server-sent events. It may be silent for as long as it likes; the heartbeat shows that it lives. */
export function eventsResponse(exchange: Exchange, events: AsyncIterable<ServerEvent>): Response {
  const release = takeOver(exchange)
  allowPause(exchange, 0)
  return new Response(eventStream(events, exchange.limits.heartbeatMs, release), {
    headers: {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache',
      connection: 'keep-alive',
      // Proxies that gather answers would hold the events back.
      'x-accel-buffering': 'no',
      'x-request-id': exchange.id,
    },
  })
}

/** An answer of raw bytes. `quiet`: the source may be silent for long, so that the connection has no limit. */
export function bytesResponse(
  exchange: Exchange,
  chunks: AsyncIterable<Uint8Array>,
  { status = 200, headers, quiet = false }: { status?: number; headers: Readonly<Record<string, string>>; quiet?: boolean },
): Response {
  const release = takeOver(exchange)
  allowPause(exchange, quiet ? 0 : exchange.limits.readStallSeconds)
  const onEnd = (error?: unknown): void => {
    release()
    if (error !== undefined && !exchange.signal.aborted) logBreak(exchange, error)
  }
  return new Response(bodyOf(chunks, onEnd), {
    status,
    headers: {
      'content-type': 'application/octet-stream',
      // What a sandbox holds is never shown as a page.
      'x-content-type-options': 'nosniff',
      'content-disposition': 'attachment',
      'cache-control': 'no-store',
      'x-request-id': exchange.id,
      ...headers,
    },
  })
}

/** The status is out already, so that the log is the only place left to say what happened. */
function logBreak({ deps, id, route }: Exchange, error: unknown): void {
  const known = isAppError(error)
  deps.log(known && ERRORS[error.code].http < 500 ? 'info' : 'error', 'a stream broke off', {
    request_id: id,
    route,
    error: known ? error.message : String(error),
    stack: known ? undefined : (error as Error).stack,
  })
}
