import { mkdirSync } from 'node:fs'
import pkg from '../../../package.json' with { type: 'json' }
import { AppError } from '../../contract/errors.ts'
import { ignore } from '../../lib/ignore.ts'
import type { Paths } from '../paths.ts'
import { buildOf, daemonFiles, type DaemonIdentity } from './daemon-files.ts'
import { type DaemonLink, findDaemon, stopDaemon } from './find.ts'
import { daemonArguments, type DaemonOrders } from './orders.ts'
import { runtimeDir } from './runtime-dir.ts'

/** How long a daemon may take until it answers, in ms: it may have hundreds of sandboxes to look after. */
const START_LIMIT_MS = 20_000
export interface ConnectOptions {
  readonly paths: Paths
  readonly env: Readonly<Record<string, string | undefined>>
  readonly execPath: string
  readonly user: string
  /** True for `daemon start`: it stays until it is told to go. */
  readonly stays?: boolean
}

/** The daemon, started if there is none, or in place of an older build of the same user's. Errors: `daemon_unreachable`. */
export async function connectDaemon(options: ConnectOptions): Promise<DaemonLink> {
  const { paths } = options
  const found = findDaemon(paths)
  const older = found !== undefined && isOlder(found.identity, options.execPath)
  if (found !== undefined && !older && (await listens(found))) return found
  const stays = options.stays ?? found?.identity.stays ?? false
  if (found !== undefined && older) {
    if (found.identity.url !== undefined) return found
    await stopDaemon(found, daemonFiles(paths.dataDir))
  }
  await startDaemon({ ...options, stays })
  const link = findDaemon(paths)
  if (link === undefined) throw new AppError('daemon_unreachable', `the daemon started and went away; see ${paths.dataDir}/logs/daemon.log`)
  return link
}

/** False for a daemon that has just been killed: its files are there, and for a moment its process too. */
async function listens({ address }: DaemonLink): Promise<boolean> {
  try {
    const probe = await Bun.connect({ unix: address.socket, socket: { data: () => undefined } })
    probe.terminate()
    return true
  } catch (error) {
    ignore(error, 'the answer is no')
    return false
  }
}

/** A daemon of an older version, or of another build of the same: whoever builds again wants the new one. A newer one is left alone. */
function isOlder(identity: DaemonIdentity, execPath: string): boolean {
  const order = Bun.semver.order(identity.version, pkg.version)
  return order < 0 || (order === 0 && identity.build !== buildOf(execPath))
}

async function startDaemon(options: ConnectOptions & { readonly stays: boolean }): Promise<void> {
  const { paths, execPath } = options
  mkdirSync(paths.dataDir, { recursive: true, mode: 0o700 })
  const child = Bun.spawn([execPath, ...daemonArguments(ordersFor(options))], {
    // Nothing of a caller's environment may reach what outlives it.
    env: {},
    cwd: '/',
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  })
  child.unref()
  const first = await Promise.race([firstLine(child.stdout), Bun.sleep(START_LIMIT_MS).then(() => 'it did not answer in time')])
  if (first === 'ready') return
  throw new AppError('daemon_unreachable', `the daemon did not start: ${first === '' ? 'it ended without a word' : first}`, {
    fix: `See ${paths.dataDir}/logs/daemon.log.`,
  })
}

export function ordersFor({ paths, env, user, stays = false }: ConnectOptions): DaemonOrders {
  const crashAt = env['AGENTKERNEL_TEST_CRASH_AT']
  return {
    paths,
    runtimeDir: runtimeDir(env, paths.stateDir, process.getuid?.() ?? 0),
    stays,
    audit: !['0', 'false'].includes(env['AGENTKERNEL_AUDIT'] ?? ''),
    user,
    ...(crashAt === undefined ? {} : { crashAt }),
  }
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of stream) {
    text += decoder.decode(bytes, { stream: true })
    if (text.includes('\n')) break
  }
  return text.split('\n')[0] ?? ''
}
