import { join } from 'node:path'
import { createFirstTime } from '../../store/first-time.ts'
import { openSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { AgentKernel } from '../../../sdk/typescript/src/index.ts'
import type { DaemonOperations, DaemonStatus } from '../../contract/daemon.ts'
import { AppError } from '../../contract/errors.ts'
import type { SandboxOperations } from '../../contract/sandbox-operations.ts'
import { type ConnectOptions, connectDaemon, ordersFor } from './connect.ts'
import { type DaemonLink, findDaemon, stopDaemon } from './find.ts'
import { daemonFiles } from './daemon-files.ts'
import { remoteOperations } from './remote-operations.ts'

/** Limit of the daemon's own short answers, in ms. */
const ANSWER_MS = 5_000

/** Operations on sandboxes through the daemon, which is started when there is none. */
export async function sandboxOperations(options: ConnectOptions): Promise<SandboxOperations> {
  const line = new DaemonLine(await connectDaemon(options), () => connectDaemon(options))
  return remoteOperations(line.client, () => line.renew())
}

/**
 * A client of the daemon's socket, made of the SDK that everybody uses. Between our look and our request the daemon may have been replaced: a
 * request that was not let in has done nothing, and is made once more to the next one.
 */
class DaemonLine {
  readonly client: AgentKernel
  readonly #again: () => Promise<DaemonLink>
  #link: DaemonLink

  constructor(link: DaemonLink, again: () => Promise<DaemonLink>) {
    this.#link = link
    this.#again = again
    this.client = new AgentKernel({
      baseUrl: 'http://localhost',
      fetch: (url, init) => this.#fetch(url, init),
      webSocket: (url, { headers }) =>
        new WebSocket(`ws+unix://${socketInUrl(this.#link.address.socket)}:${pathOf(url)}`, { headers: this.#headers(headers) }),
    })
  }

  /** Finds the daemon that there is now, or starts one. */
  async renew(): Promise<void> {
    this.#link = await this.#again()
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    const reply = await this.#send(url, init).catch((error: unknown) => {
      if (isNotLetIn(error)) return undefined
      throw error
    })
    // A body that flows can be sent only once.
    const canRepeat = init.body === undefined || init.body === null || typeof init.body === 'string'
    if (reply !== undefined && (reply.status !== UNAUTHORIZED || !canRepeat)) return reply
    await reply?.body?.cancel()
    await this.renew()
    return this.#send(url, init)
  }

  #send(url: string, init: RequestInit): Promise<Response> {
    return fetch(url, { ...init, headers: this.#headers(init.headers), unix: this.#link.address.socket })
  }

  #headers(given: RequestInit['headers']): Record<string, string> {
    const headers = new Headers(given)
    headers.set('authorization', `Bearer ${this.#link.token}`)
    return Object.fromEntries(headers)
  }
}

const UNAUTHORIZED = 401

/** True when nobody listened: nothing of the request has arrived. */
function isNotLetIn(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return ['ECONNREFUSED', 'ENOENT', 'ConnectionRefused', 'FailedToOpenSocket'].includes(String(code))
}

/**
 * A path of the socket that a URL leaves as it is. Bun connects to what the URL says, escapes included, so a folder with a space, say, would
 * not be found; then the way leads through the open folder, which stays open as long as we run.
 */
function socketInUrl(path: string): string {
  if (/^[\w./-]+$/.test(path)) return path
  return `/proc/self/fd/${openSync(dirname(path), 'r')}/${basename(path)}`
}

const pathOf = (url: string): string => {
  const { pathname, search } = new URL(url)
  return `${pathname}${search}`
}

/** The daemon's life, for the command line. */
export function daemonOperations(options: ConnectOptions): DaemonOperations {
  const { paths } = options
  const log = `${paths.dataDir}/logs/daemon.log`
  const status = async (): Promise<DaemonStatus> => {
    const link = findDaemon(paths)
    if (link === undefined) return { running: false, log }
    const { pid, version, started_at, stays, url } = link.identity
    const { sandboxes } = await ask<{ sandboxes?: { running: number; total: number } }>(link, 'GET', '/daemon/status')
    return {
      running: true,
      pid,
      version,
      started_at,
      stays,
      log,
      socket: link.address.socket,
      ...(url === undefined ? {} : { url }),
      ...(sandboxes === undefined ? {} : { sandboxes }),
    }
  }
  return {
    status,
    start: async () => {
      const link = await connectDaemon({ ...options, stays: true })
      if (!link.identity.stays) await ask(link, 'POST', '/daemon/stay')
      return status()
    },
    stop: async () => {
      const link = findDaemon(paths)
      if (link === undefined) return false
      await stopDaemon(link, daemonFiles(paths.dataDir))
      return true
    },
    serve: async (request, onReady) => {
      const [{ resolveServe }, { loadRunConfig }] = await Promise.all([import('./serve-options.ts'), import('../engine.ts')])
      const config = await loadRunConfig(
        { cwd: request.cwd, ...(request.configPath === undefined ? {} : { configPath: request.configPath }) },
        paths,
      )
      const serve = resolveServe(request, config, options.env)
      const running = findDaemon(paths)
      if (running !== undefined) await stopDaemon(running, daemonFiles(paths.dataDir))
      const { runDaemon } = await import('./daemon.ts')
      const seen = request.apiKeys.length > 0 && createFirstTime(join(paths.dataDir, 'notices'))('API key on the command line')
      const notices = [
        ...(running === undefined ? [] : ['took over from the daemon that ran']),
        ...(seen
          ? ['what --api-key gives can be seen in the list of processes; use --api-key-file or AGENTKERNEL_API_KEY. (Said once.)']
          : []),
        ...config.warnings,
      ]
      await runDaemon(ordersFor({ ...options, stays: true }), { serve, onReady: (url) => onReady(url ?? '', notices) })
    },
  }
}

async function ask<T>(link: DaemonLink, method: 'GET' | 'POST', path: string): Promise<T> {
  try {
    const reply = await fetch(`http://localhost${path}`, {
      method,
      unix: link.address.socket,
      headers: { authorization: `Bearer ${link.token}` },
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    const body = (await reply.json()) as { readonly data: T }
    return body.data
  } catch (error) {
    throw new AppError('daemon_unreachable', `the daemon (process ${link.identity.pid}) does not answer`, { cause: error })
  }
}
