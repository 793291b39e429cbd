import { X509Certificate } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Operations } from '../../contract/operations.ts'
import { createHttpApp, type HttpApp } from '../../http/app.ts'
import { ApiKeys, requireKey } from '../../http/auth.ts'
import type { HttpLog } from '../../http/deps.ts'
import { failureOf, jsonResponse } from '../../http/envelope.ts'
import { serveTcp, serveUnix } from '../../http/listeners.ts'
import { ignore } from '../../lib/ignore.ts'
import { Metrics } from '../../lib/metrics.ts'
import { selfSigned } from '../../lib/self-signed.ts'
import type { Secret } from '../../lib/secret.ts'
import type { DaemonAddress, DaemonIdentity } from './daemon-files.ts'
import type { ServeOptions } from './serve-options.ts'
import type { Services } from './services.ts'

export interface DoorOptions {
  readonly address: DaemonAddress
  readonly token: Secret
  readonly services: Services
  readonly operations: Operations
  readonly serve: ServeOptions | undefined
  readonly stateDir: string
  readonly version: string
  readonly backend: () => Promise<string | undefined>
  readonly log: (text: string) => void
  /** Called with each request. */
  readonly onUse: () => void
  /** Somebody asked the daemon to go. */
  readonly onEnd: () => void
  /** Somebody asked the daemon to stay. */
  readonly onStay: () => void
  readonly identity: () => DaemonIdentity
}

/** Where a daemon is reached: its socket, and TCP with `serve`. */
export interface Doors {
  /** Of the TCP listener. */
  readonly url: string | undefined
  /** Lets nothing new in, waits at most so many ms for what is under way, and closes. Ends no command. */
  readonly close: (graceMs: number) => Promise<void>
}

/** Errors: `address_in_use`, `api_key_required`, `invalid_argument`. */
export function openDoors(options: DoorOptions): Doors {
  const { serve, address, token } = options
  const app = createHttpApp({
    operations: options.operations,
    sandboxes: options.services.sandboxes,
    webhooks: options.services.webhooks,
    proxyHooks: options.services.proxyHooks,
    keys: new ApiKeys((serve?.keys ?? []).map((key) => key.reveal())),
    version: options.version,
    backend: options.backend,
    sandboxLimit: 0,
    allowSudoExec: serve?.allowSudo ?? false,
    now: () => new Date(),
    log: logTo(options.log),
    metrics: new Metrics(),
  })
  const socketKeys = new ApiKeys([token.reveal()])
  const local: HttpApp = {
    ...app,
    fetch: (request, server, door) => {
      options.onUse()
      return door.kind === 'socket' && isOurs(request) ? ownRoute(request, socketKeys, options) : app.fetch(request, server, door)
    },
  }
  rmSync(address.socket, { force: true })
  const unix = serveUnix(local, { path: address.socket, keys: socketKeys })
  try {
    const tcp = serve === undefined ? undefined : serveTcp(app, tcpOptions(serve, options.stateDir))
    return {
      url: tcp?.address,
      close: async (graceMs) => {
        await app.drain(graceMs)
        await Promise.all([unix.stop(), tcp?.stop()])
      },
    }
  } catch (error) {
    void unix.stop()
    throw error
  }
}

function tcpOptions({ host, port, tls }: ServeOptions, stateDir: string) {
  if (tls === undefined) return { host, port }
  return { host, port, tls: tls === 'self' ? ownCertificate(host, stateDir) : { cert: tls.cert, key: tls.key.reveal() } }
}

/** The certificate that we made, for clients to trust: `tls/cert.pem` beside our state. Made again when it is about to expire. */
function ownCertificate(host: string, stateDir: string): { readonly cert: string; readonly key: string } {
  const folder = join(stateDir, 'tls')
  const [certPath, keyPath] = [
    join(folder, `${host.replaceAll(/[^\w.-]/g, '_')}.pem`),
    join(folder, `${host.replaceAll(/[^\w.-]/g, '_')}.key`),
  ]
  try {
    const found = { cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') }
    if (Date.parse(new X509Certificate(found.cert).validTo) > Date.now() + 30 * 24 * 3_600_000) return found
  } catch (error) {
    ignore(error, 'there is none yet, or none that can be used')
  }
  const made = selfSigned([...new Set([host, 'localhost', hostname(), '127.0.0.1', '::1'])], new Date())
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  rmSync(keyPath, { force: true })
  writeFileSync(keyPath, made.key, { mode: 0o600, flag: 'wx' })
  writeFileSync(certPath, made.cert, { mode: 0o644 })
  return made
}

const isOurs = (request: Request): boolean => /^https?:\/\/[^/]*\/daemon\//.test(request.url)

/** The daemon's own routes, which only its socket has. */
async function ownRoute(request: Request, keys: ApiKeys, options: DoorOptions): Promise<Response> {
  try {
    requireKey(request.headers, keys)
    const { pathname } = new URL(request.url)
    if (request.method === 'GET' && pathname === '/daemon/status') {
      return jsonResponse(200, { success: true, data: { ...options.identity(), sandboxes: options.services.counts() } })
    }
    if (request.method === 'POST' && pathname === '/daemon/stay') {
      options.onStay()
      return jsonResponse(200, { success: true, data: 'It stays' })
    }
    if (request.method === 'POST' && pathname === '/daemon/stop') {
      // After the answer is out.
      setTimeout(options.onEnd, 0)
      return jsonResponse(200, { success: true, data: 'It ends' })
    }
    return jsonResponse(404, { success: false, error: 'Not found' })
  } catch (error) {
    const { status, body } = failureOf(error)
    return jsonResponse(status, body)
  }
}

function logTo(write: (text: string) => void): HttpLog {
  return (level, message, fields) => {
    if (level === 'debug') return
    const details = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]))
    write([level, message, ...details].join(' '))
  }
}
