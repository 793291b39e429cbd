import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { daemonArguments, type DaemonOrders } from '../../src/main/daemon/orders.ts'
import type { ServeOptions } from '../../src/main/daemon/serve-options.ts'
import { findDaemon, stopDaemon } from '../../src/main/daemon/find.ts'
import { daemonAddress, daemonFiles } from '../../src/main/daemon/daemon-files.ts'
import { removeTree } from '../../src/lib/remove-tree.ts'

const ROOT = join(import.meta.dir, '..', '..')
/** How long a daemon may take to be ready, in ms. */
const READY_MS = 15_000

export interface TestDaemonOptions {
  /** Another daemon's folders, to come after it. */
  readonly home?: string
  /** Where its socket is. @default a folder of its own */
  readonly runtimeDir?: string
  readonly keys?: readonly string[]
  readonly allowSudo?: boolean
  readonly webhooks?: ServeOptions['webhooks']
  readonly crashAt?: string
  /** False: only the socket. @default true */
  readonly tcp?: boolean
  /** The built program, without TCP; a shim can start it again. @default false */
  readonly built?: boolean
  /** Another daemon of the same folders may run, or be on its way: it is told to go first. @default false */
  readonly takeOver?: boolean
}

/** A daemon in a process of its own, with folders of its own, from the sources. */
export interface TestDaemon {
  /** Of the TCP listener. */
  readonly url: string
  /** Of the unix socket; each request needs the token as its Bearer key. */
  readonly socket: string
  readonly token: () => string
  readonly home: string
  readonly dataDir: string
  readonly pid: number
  readonly orders: DaemonOrders
  /** Asks over the socket. */
  readonly fetch: (path: string, init?: RequestInit) => Promise<Response>
  /** Ends the daemon and leaves its sandboxes; resolves when the process is gone. */
  readonly end: (signal?: NodeJS.Signals) => Promise<void>
  /** Removes every sandbox, ends the daemon, removes the folders. */
  readonly dispose: () => Promise<void>
}

export async function startDaemon(options: TestDaemonOptions = {}): Promise<TestDaemon> {
  const home = options.home ?? mkdtempSync(join(tmpdir(), 'akd-'))
  const orders = ordersIn(home, options)
  if (options.takeOver === true) await dismiss(orders)
  const serve = {
    host: '127.0.0.1',
    port: 0,
    keys: options.keys ?? [],
    allowSudo: options.allowSudo ?? false,
    webhooks: options.webhooks ?? [],
  }
  const program =
    options.built === true
      ? [join(ROOT, 'build', 'agentkernel'), ...daemonArguments(orders)]
      : [
          process.execPath,
          join(import.meta.dir, 'daemon-main.ts'),
          JSON.stringify(orders),
          JSON.stringify(options.tcp === false ? null : serve),
        ]
  const child = Bun.spawn(program, { env: { PATH: process.env['PATH'] ?? '' }, cwd: '/', stdio: ['ignore', 'pipe', 'inherit'] })
  const url = await readyLine(child.stdout)
  const { socket, token: tokenFile } = daemonAddress(orders.runtimeDir, orders.paths.dataDir)
  const token = (): string => readFileSync(tokenFile, 'utf8')
  const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`http://localhost${path}`, { ...init, unix: socket, headers: { ...headersOf(init), authorization: `Bearer ${token()}` } })
  const end = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    child.kill(signal)
    await child.exited
  }
  return {
    url,
    socket,
    token,
    home,
    dataDir: orders.paths.dataDir,
    pid: child.pid,
    orders,
    fetch: ask,
    end,
    dispose: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const listed = (await (await ask('/sandboxes')).json()) as { data: { name: string }[] }
        await Promise.all(listed.data.map(async ({ name }) => (await ask(`/sandboxes/${name}`, { method: 'DELETE' })).body?.cancel()))
        await end()
      }
      removeTree(home)
    },
  }
}

/** Ends the daemon of these folders, if there is one. */
async function dismiss(orders: DaemonOrders): Promise<void> {
  const found = findDaemon(orders.paths)
  if (found !== undefined) await stopDaemon(found, daemonFiles(orders.paths.dataDir))
}

function ordersIn(home: string, { crashAt, runtimeDir = join(home, 'agentkernel') }: TestDaemonOptions): DaemonOrders {
  return {
    paths: {
      home,
      dataDir: join(home, 'xdg-data', 'agentkernel'),
      configDir: join(home, 'xdg-config', 'agentkernel'),
      stateDir: join(home, '.agentkernel'),
      helperPath: join(ROOT, 'build', 'agentkernel-guest'),
    },
    runtimeDir,
    stays: true,
    audit: true,
    user: 'tester',
    ...(crashAt === undefined ? {} : { crashAt }),
  }
}

const headersOf = (init: RequestInit): Record<string, string> => Object.fromEntries(new Headers(init.headers).entries())

async function readyLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  const limit = setTimeout(() => void stream.cancel(), READY_MS)
  for await (const bytes of stream) {
    text += decoder.decode(bytes, { stream: true })
    if (text.includes('\n')) break
  }
  clearTimeout(limit)
  if (text.startsWith('ready')) return ''
  return (JSON.parse(text) as { url?: string }).url ?? ''
}
