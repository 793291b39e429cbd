import { chmodSync, closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pkg from '../../../package.json' with { type: 'json' }
import { AppError, isAppError } from '../../contract/errors.ts'
import { ignore } from '../../lib/ignore.ts'
import { libc } from '../../lib/libc.ts'
import { Secret } from '../../lib/secret.ts'
import { auditSink } from '../engine.ts'
import { createOperations } from '../operations.ts'
import type { Paths } from '../paths.ts'
import { findDaemon, stopDaemon } from './find.ts'
import { DriverSet } from './driver-set.ts'
import {
  buildOf,
  type DaemonAddress,
  daemonAddress,
  type DaemonFiles,
  daemonFiles,
  type DaemonIdentity,
  ownIdentity,
  writeIdentity,
} from './daemon-files.ts'
import { DaemonLog } from './daemon-log.ts'
import { type DaemonOrders } from './orders.ts'
import { ownFolder } from './runtime-dir.ts'
import { type Doors, openDoors } from './doors.ts'
import type { ServeOptions } from './serve-options.ts'
import { createServices, type Services } from './services.ts'
import { writeDownBugs } from './uncaught.ts'

/** How long a daemon that nobody needs stays, in ms. */
const IDLE_MS = 60_000
/** How long a new daemon waits for the one before to let go, in ms. */
const TAKE_OVER_MS = 10_000
/** How long requests under way may take when the daemon ends, in ms. */
const DRAIN_MS = 5_000
const LOCK_EXCLUSIVE_NOW = 2 | 4

/**
 * The daemon, from its lock to its end. It owns the data folder as long as it holds the lock; sandboxes belong to their shims and
 * notice neither its end nor its return. Resolves when it has ended.
 */
export async function runDaemon(
  orders: DaemonOrders,
  options: { readonly serve?: ServeOptions; readonly onReady: (url: string | undefined) => void },
): Promise<void> {
  const { paths } = orders
  const uid = process.getuid?.() ?? 0
  process.umask(0o077)
  process.chdir('/')
  ownFolder(orders.runtimeDir, uid)
  mkdirSync(paths.dataDir, { recursive: true, mode: 0o700 })
  const files = daemonFiles(paths.dataDir)
  const log = new DaemonLog(join(paths.dataDir, 'logs', 'daemon.log'), () => new Date())
  const lock = await takeLock(files, paths, options.serve !== undefined)
  if (lock === undefined) return options.onReady(undefined)
  const forgetBugs = writeDownBugs(log.write)
  const ending = new AbortController()
  const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
  const onSignal = (): void => ending.abort()
  signals.forEach((name) => process.on(name, onSignal))
  try {
    await live({ orders, serve: options.serve, files, log, ending, onReady: options.onReady })
  } catch (error) {
    log.write(`the daemon failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    throw error
  } finally {
    signals.forEach((name) => process.off(name, onSignal))
    rmSync(files.identity, { force: true })
    forgetBugs()
    log.close()
    closeSync(lock)
  }
}

interface Life {
  readonly orders: DaemonOrders
  readonly serve: ServeOptions | undefined
  readonly files: DaemonFiles
  readonly log: DaemonLog
  readonly ending: AbortController
  readonly onReady: (url: string | undefined) => void
}

async function live({ orders, serve, files, log, ending, onReady }: Life): Promise<void> {
  const { paths } = orders
  const env = { USER: orders.user, ...(orders.audit ? {} : { AGENTKERNEL_AUDIT: '0' }) }
  const auditPath = join(paths.stateDir, 'audit.jsonl')
  const drivers = new DriverSet(paths, { runtimeDir: orders.runtimeDir, restart: withoutCrash(orders), version: pkg.version })
  const services = createServices({
    paths,
    version: pkg.version,
    audit: auditSink(auditPath, env),
    auditPath,
    drivers: await drivers.all(),
    driver: (name) => drivers.get(name),
    webhooks: serve?.webhooks ?? [],
    log: log.write,
    env,
    at: crashPoint(orders.crashAt),
  })
  const address = daemonAddress(orders.runtimeDir, paths.dataDir)
  let stays = orders.stays || serve !== undefined
  let doors: Doors | undefined
  try {
    await services.begin(ending.signal)
    const idle = new IdleTimer(() => !stays && !services.needed(), ending)
    const identity = (): DaemonIdentity =>
      ownIdentity({
        version: pkg.version,
        build: buildOf(process.execPath),
        stays,
        runtime_dir: orders.runtimeDir,
        ...(doors?.url === undefined ? {} : { url: doors.url }),
      })
    doors = openDoors({
      address,
      token: writeToken(address),
      services,
      operations: createOperations(paths, env),
      serve,
      stateDir: paths.stateDir,
      version: pkg.version,
      backend: async () => (await drivers.get(undefined)).name,
      log: log.write,
      onUse: () => idle.reset(),
      onEnd: () => ending.abort(),
      onStay: () => {
        stays = true
        writeIdentity(files, identity())
      },
      identity,
    })
    writeIdentity(files, identity())
    log.write(`ready, version ${pkg.version}${doors.url === undefined ? '' : `, on ${doors.url}`}`)
    onReady(doors.url)
    idle.reset()
    await untilAborted(ending.signal)
    idle.stop()
  } finally {
    await end(doors, services, address, log)
  }
}

async function end(doors: Doors | undefined, services: Services, address: DaemonAddress, log: DaemonLog): Promise<void> {
  // The token first: whoever reads it from here on finds no daemon and starts the next.
  rmSync(address.token, { force: true })
  rmSync(address.socket, { force: true })
  try {
    await doors?.close(DRAIN_MS)
  } catch (error) {
    ignore(error, 'what could not be closed ends with the process')
  }
  await services.end()
  log.write('ended')
}

/**
 * Owns the data folder until the descriptor is closed, that is until the process ends. Undefined: another daemon does, and is ready: two were
 * started at once, and one is enough. With `serve` the other one is told to go. Errors: `daemon_unreachable`.
 */
async function takeLock(files: DaemonFiles, paths: Paths, serves: boolean): Promise<number | undefined> {
  const fd = openSync(files.lock, 'a', 0o600)
  chmodSync(files.lock, 0o600)
  const deadline = performance.now() + TAKE_OVER_MS
  while (libc().flock(fd, LOCK_EXCLUSIVE_NOW) !== 0) {
    const other = findDaemon(paths)
    if (other !== undefined && !serves) {
      closeSync(fd)
      return undefined
    }
    if (other !== undefined) await stopDaemon(other, files)
    if (performance.now() > deadline) {
      closeSync(fd)
      throw new AppError('daemon_unreachable', 'another daemon holds the data folder and does not let go of it')
    }
    await Bun.sleep(20)
  }
  return fd
}

function writeToken(address: DaemonAddress): Secret {
  const token = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')
  rmSync(address.token, { force: true })
  writeFileSync(address.token, token, { mode: 0o600, flag: 'wx' })
  return new Secret(token)
}

/** A daemon that was made to crash comes back as one that was not. */
function withoutCrash({ crashAt: _crashAt, ...orders }: DaemonOrders): DaemonOrders {
  return orders
}

function crashPoint(at: string | undefined): (point: string) => void {
  return (point) => {
    if (at === point) process.kill(process.pid, 'SIGKILL')
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** Ends the daemon when nothing has needed it for a while. */
class IdleTimer {
  readonly #idle: () => boolean
  readonly #ending: AbortController
  #timer: NodeJS.Timeout | undefined

  constructor(idle: () => boolean, ending: AbortController) {
    this.#idle = idle
    this.#ending = ending
  }

  reset(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#look(), IDLE_MS)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #look(): void {
    try {
      if (this.#idle()) return this.#ending.abort()
    } catch (error) {
      if (!isAppError(error)) throw error
      ignore(error, 'a store that cannot be read now is asked again')
    }
    this.reset()
  }
}
