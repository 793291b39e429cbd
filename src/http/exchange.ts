import type { Server } from 'bun'
import { AppError } from '../contract/errors.ts'
import type { Caller } from '../contract/sandbox-operations.ts'
import type { HttpDeps, HttpLimits } from './deps.ts'
import type { Door } from './door.ts'
import type { SocketData } from './socket-session.ts'
import type { Traffic } from './traffic.ts'

/** One request, from its arrival to the last byte of its answer. */
export interface Exchange {
  /** Stands in the log, in the answer's `X-Request-Id`, and beside an internal error. */
  readonly id: string
  readonly request: Request
  readonly url: URL
  readonly door: Door
  readonly caller: Caller
  readonly server: Server<SocketData>
  readonly deps: HttpDeps
  readonly limits: HttpLimits
  readonly traffic: Traffic
  readonly metrics: { command(backend: string, seconds: number): void }
  /** Aborted when the client is gone, and never because the server stops: whoever restarts a server ends no command with it. */
  readonly signal: AbortSignal
  /** Template of the route, for metrics and log. */
  route: string
  /** True when the body has been read to its end: the connection can carry another request. */
  bodyRead: boolean
  /** Call when the last byte is out. Streams take it over from the request. */
  release: () => void
}

/** The client's going, as long as it is not us who go. */
export function clientGone(request: Request, traffic: Traffic): AbortSignal {
  const gone = new AbortController()
  const onAbort = (): void => {
    if (!traffic.forced.aborted) gone.abort(new AppError('canceled', 'the client went away'))
  }
  request.signal.addEventListener('abort', onAbort, { once: true })
  if (request.signal.aborted) onAbort()
  return gone.signal
}

/**
 * Resolves like `work`, or fails when the server's patience is over. Nothing interrupts the work then but the end of the process: commands in
 * sandboxes live on in their shims, a change half made is put right by the next daemon, and a single run ends with us.
 */
export async function unlessForced<T>(work: Promise<T>, { forced }: Traffic): Promise<T> {
  let onForced = (): void => undefined
  const stopped = new Promise<never>((_, reject) => {
    onForced = () =>
      reject(new AppError('shutting_down', 'the server stopped before the request was done; how far it came shows when the server is back'))
    forced.addEventListener('abort', onForced, { once: true })
    if (forced.aborted) onForced()
  })
  try {
    return await Promise.race([work, stopped])
  } finally {
    forced.removeEventListener('abort', onForced)
  }
}

/** Takes the answer's end out of the hands of the request's handler: the function that it gives must be called at that end. */
export function takeOver(exchange: Exchange): () => void {
  const { release } = exchange
  exchange.release = () => undefined
  return release
}

/** Limits how long the connection may pause, in seconds; 0 = as long as it likes. */
export function allowPause({ server, request }: Exchange, seconds: number): void {
  server.timeout(request, seconds)
}
