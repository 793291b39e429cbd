import { chmodSync } from 'node:fs'
import type { Server } from 'bun'
import { AppError } from '../contract/errors.ts'
import { isErrno } from '../lib/errno.ts'
import type { HttpApp } from './app.ts'
import type { ApiKeys } from './auth.ts'
import { type Door, isLoopback, type TcpDoor } from './door.ts'
import { failureOf, jsonResponse } from './envelope.ts'
import type { SocketData } from './socket-session.ts'

const IDLE_SECONDS = 30

export interface Listener {
  /** The address, or the path of the socket. */
  readonly address: string
  /** Of a TCP listener. */
  readonly port?: number
  /** Closes it and every connection at once. Drain the app before. Twice is once. */
  stop(): Promise<void>
}

export interface TcpOptions extends Omit<TcpDoor, 'kind' | 'keys'> {
  /** 0 = any free one. */
  readonly port: number
  /**
   * Seconds within which the headers of a request must be whole, and after which an idle connection is closed. A body has limits of its
   * own, and so has whatever is under way. @default 30
   */
  readonly idleSeconds?: number
  /** PEM. */
  readonly tls?: { readonly cert: string; readonly key: string }
}

/**
 * Listens on TCP. Errors: `api_key_required` for an address that others can reach while there are no keys, `address_in_use`,
 * `invalid_argument` for an address that this machine does not have or a certificate that cannot be read.
 */
export function serveTcp(app: HttpApp, { port, tls, idleSeconds = IDLE_SECONDS, ...door }: TcpOptions): Listener {
  if (app.keys.none && !isLoopback(door.host)) {
    throw new AppError('api_key_required', `without API keys the server listens on this machine only, not on ${door.host}`, {
      fix: 'Give keys with --api-key-file, or leave --host out.',
    })
  }
  const server = listen(`${door.host}:${port}`, () =>
    Bun.serve({
      hostname: door.host,
      port,
      idleTimeout: idleSeconds,
      // Outside of development Bun lets another process of this user listen on the same port and get half of the requests.
      reusePort: false,
      ...(tls === undefined ? {} : { tls }),
      ...behaviour(app, { kind: 'http', keys: app.keys, ...door }),
    }),
  )
  const host = door.host.includes(':') && !door.host.startsWith('[') ? `[${door.host}]` : door.host
  return {
    address: `${tls === undefined ? 'http' : 'https'}://${host}:${server.port ?? port}`,
    port: server.port ?? port,
    stop: () => server.stop(true),
  }
}

/**
 * Listens on a unix socket, which only its owner may use. The folder it is in is the caller's business, and so is what was there before.
 * `keys`: the token that every request must carry. Errors: `address_in_use`, `invalid_argument`.
 */
export function serveUnix(app: HttpApp, { path, keys }: { readonly path: string; readonly keys?: ApiKeys }): Listener {
  const door: Door = { kind: 'socket', ...(keys === undefined ? {} : { keys }) }
  const server = listen(path, () => Bun.serve({ unix: path, ...behaviour(app, door) }))
  chmodSync(path, 0o600)
  return { address: path, stop: () => server.stop(true) }
}

function behaviour(app: HttpApp, door: Door) {
  return {
    // Every route has a limit of its own; the raw ones have none.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    // No page with the source of what failed.
    development: false,
    fetch: (request: Request, server: Server<SocketData>) => app.fetch(request, server, door),
    websocket: app.websocket,
    error: (error: Error) => {
      const { status, body } = failureOf(error)
      return jsonResponse(status, body)
    },
  } as const
}

function listen(where: string, start: () => Server<SocketData>): Server<SocketData> {
  try {
    return start()
  } catch (error) {
    if (isErrno(error, 'EADDRINUSE')) throw new AppError('address_in_use', `${where} is in use`, { cause: error })
    throw new AppError('invalid_argument', `cannot listen on ${where}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
      fix: 'Name an address of this machine, a port that you may use, and a certificate with its key.',
    })
  }
}
