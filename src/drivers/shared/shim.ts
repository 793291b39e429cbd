import { closeSync } from 'node:fs'
import { AppError } from '../../contract/errors.ts'
import { Guest } from '../../guestlink/index.ts'
import { ignore } from '../../lib/ignore.ts'
import { createPipe } from '../../lib/pipe.ts'
import { endProcess } from './keep-helper.ts'
import { identityOf, isAlive, type ProcessIdentity } from './process.ts'
import { socketIn } from './runtime-folder.ts'
import type { Live } from './sandbox-folder.ts'
import { cannotStart, startFailure } from './start-failure.ts'
import { readStatusLines, type StatusLine } from './status-lines.ts'

/** The orders of a shim; `guest/internal/shim` explains them. */
export interface ShimOrders {
  readonly runtime_dir: string
  readonly log_dir: string
  readonly sandbox: string
  readonly helper: string
  readonly mode: 'launch-as-root' | 'launch-as-user' | 'none'
  /** Of the launch helper. */
  readonly prologue?: unknown
  readonly plan?: unknown
  /** Of the agent, with mode `none`. */
  readonly agent_spec?: unknown
  /** The sandbox has an egress connection. */
  readonly network?: boolean
  readonly restart?: ShimRestart
  readonly version: string
}

/** How a shim starts a daemon that crashed. */
export interface ShimRestart {
  readonly argv: readonly string[]
  readonly env: readonly string[]
  /** Where a daemon that lives accepts connections. */
  readonly socket: string
  /** Which of several shims starts it is who has this file's lock. */
  readonly lock: string
}

export interface ShimStart {
  readonly orders: ShimOrders
  /** Called once it exists and before it has its orders: without them it ends, should we die here. */
  readonly onSpawned: (who: ProcessIdentity) => void
  readonly signal: AbortSignal
}

/** From the start of a shim until its agent answers, in ms. */
const START_LIMIT_MS = 60_000
// An end has 25 s for all of it, of the 30 that the engine gives: with a grace of 3 s at most 7 to ask, 10 to tell and kill, and 7 until the
// groups are empty.
/** What a shim that was asked to end may take beyond the grace of its commands, in ms. */
const ASK_MARGIN_MS = 4_000
/** A shim that does not greet within this is not asked but told by signal, in ms. */
const HELLO_LIMIT_MS = 1_000
/** From SIGTERM to SIGKILL, in ms: for a shim that has been asked before, and for one that hears of it only now. */
const ASKED_GRACE_MS = 2_000
const TOLD_GRACE_MS = 5_000

/**
 * Starts a shim, which outlives us, and resolves with what was reported on the way when its agent answers. When it fails or is given up,
 * the shim is dead. Errors: `backend_unavailable`, `sandbox_start_failed`, `disk_full`, `canceled`.
 */
export async function startShim(start: ShimStart): Promise<readonly StatusLine[]> {
  const { child, orders, report } = spawnShim(start)
  const limit = AbortSignal.timeout(START_LIMIT_MS)
  const given = AbortSignal.any([start.signal, limit])
  const kill = (): void => child.kill('SIGKILL')
  given.addEventListener('abort', kill, { once: true })
  if (given.aborted) kill()
  let ready = false
  let sending: Promise<void> | undefined
  try {
    const who = identityOf(child.pid)
    if (who === undefined) throw startFailure({ step: 'shim', detail: 'it ended at once' })
    start.onSpawned(who)
    sending = sendOrders(orders, start.orders)
    const [lines] = await Promise.all([readReport(report), sending])
    ready = !given.aborted && lines.some((line) => line.ready === true)
    if (ready) return lines
    if (start.signal.aborted) throw new AppError('canceled', 'the start was given up')
    if (limit.aborted) throw new AppError('sandbox_start_failed', `the sandbox did not answer within ${START_LIMIT_MS / 1000} s`)
    throw startFailure(lines.find((line) => line.error !== undefined) ?? { step: 'shim', detail: 'it ended without a word' })
  } finally {
    given.removeEventListener('abort', kill)
    closeSync(report)
    if (sending === undefined) closeSync(orders)
    if (!ready) {
      kill()
      await Promise.all([child.exited, sending])
    }
    child.unref()
  }
}

function spawnShim({ orders: { helper } }: ShimStart) {
  const orders = createPipe()
  const report = createPipe()
  try {
    const child = Bun.spawn([helper, 'shim'], {
      env: {},
      cwd: '/',
      stdio: ['ignore', 'ignore', 'ignore', orders.read, report.write],
      detached: true,
    })
    return { child, orders: orders.write, report: report.read }
  } catch (error) {
    closeSync(orders.write)
    closeSync(report.read)
    throw cannotStart(helper, error)
  } finally {
    for (const fd of [orders.read, report.write]) closeSync(fd)
  }
}

async function sendOrders(fd: number, orders: ShimOrders): Promise<void> {
  const text = new TextEncoder().encode(JSON.stringify(orders))
  const bytes = new Uint8Array(4 + text.length)
  new DataView(bytes.buffer).setUint32(0, text.length, true)
  bytes.set(text, 4)
  try {
    // Not at once: a plan may be longer than a pipe holds, and nothing else shall wait for its reader.
    const pipe = Bun.file(fd).writer()
    await pipe.write(bytes)
    await pipe.flush()
    await pipe.end()
  } catch (error) {
    ignore(error, 'the shim has ended; its report tells the rest')
  } finally {
    closeSync(fd)
  }
}

/** What a shim reports until it is ready or has ended. */
async function readReport(fd: number): Promise<readonly StatusLine[]> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of Bun.file(fd).stream()) text += decoder.decode(chunk, { stream: true })
  return readStatusLines(text)
}

/**
 * Ends a sandbox that runs: its commands get `graceMs`, then everything in it is killed, and last its shim, should that not end by itself.
 * Resolves also when it does not run. Errors: `sandbox_start_failed` (a process that cannot be killed).
 */
export async function endShim(helperPath: string, live: Live, graceMs: number, version: string): Promise<void> {
  if (!isAlive(live)) return
  const asked = await askToEnd(socketIn(live.runtime_dir), graceMs, version)
  await endProcess(helperPath, live, asked ? ASKED_GRACE_MS : TOLD_GRACE_MS)
}

/** Resolves when the other side has hung up or its time is over: it answers first, and ends when its commands have. False: nobody is there. */
async function askToEnd(socket: string, graceMs: number, version: string): Promise<boolean> {
  const limit = AbortSignal.timeout(graceMs + ASK_MARGIN_MS)
  const guest = await greet(socket, version)
  if (guest === undefined) return false
  const giveUp = (): void => void guest.connection.bye()
  limit.addEventListener('abort', giveUp, { once: true })
  try {
    await guest.shutdown(graceMs, limit)
    await guest.closed
  } catch (error) {
    ignore(error, 'one that does not do it is told by signal')
  } finally {
    limit.removeEventListener('abort', giveUp)
    await guest.connection.bye()
  }
  return true
}

async function greet(socket: string, version: string): Promise<Guest | undefined> {
  try {
    return await Guest.connect(socket, { role: 'client', version, helloLimitMs: HELLO_LIMIT_MS })
  } catch (error) {
    ignore(error, 'one that does not answer is told by signal')
    return undefined
  }
}
