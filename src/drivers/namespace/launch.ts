import { closeSync, fstatSync, readFileSync, writeSync } from 'node:fs'
import type { RunIo } from '../../contract/run.ts'
import { ignore } from '../../lib/ignore.ts'
import { createPipe } from '../../lib/pipe.ts'
import { signalNumber } from '../../lib/signals.ts'
import { createSocketPair } from '../../lib/socket-pair.ts'
import type { RunSpec } from '../driver.ts'
import { readStatusLines, type StatusLine } from '../shared/status-lines.ts'
import { encodeMessage, type LaunchPlan, type LaunchPrologue } from './plan.ts'

/** Time between SIGTERM and SIGKILL when a run's time is up, in ms. */
const GRACE_MS = 2_000
/** How long process 1 may take to end after its orders end, in ms; then the outermost process is killed. */
const LAST_RESORT_MS = 2_000

/** One processor is plenty for a program that waits, and threads that are not made cost nothing. */
const HELPER_ENV = { GOMAXPROCS: '1' }

export interface LaunchedRun {
  readonly lines: readonly StatusLine[]
  readonly stopReason: 'timed_out' | 'canceled' | undefined
}

/** A helper that has been started and builds what every sandbox has, waiting for the plan. Use `run` or `discard`, once. */
export class Launcher {
  readonly #child: Child
  readonly #link: ControlLink
  readonly #status: number
  readonly #io: RunIo
  /** Our end of the egress connection, until somebody takes it. It is made before it is known whether there will be a network. */
  #egress: number | undefined
  /** The same of the connection that published ports are asked on. */
  #ports: number | undefined

  constructor(helper: { readonly path: string; readonly asRoot: boolean }, prologue: LaunchPrologue, io: RunIo) {
    const control = createPipe()
    const status = createPipe()
    const egress = createSocketPair()
    const ports = createSocketPair()
    this.#io = io
    this.#status = status.read
    this.#egress = egress.ours
    this.#ports = ports.ours
    try {
      this.#child = spawnHelper(helper.path, helper.asRoot, io, [control.read, status.write, egress.theirs, ports.theirs])
    } catch (error) {
      for (const fd of [control.write, status.read, egress.ours, ports.ours]) closeSync(fd)
      throw error
    } finally {
      for (const fd of [control.read, status.write, egress.theirs, ports.theirs]) closeSync(fd)
    }
    this.#link = new ControlLink(control.write, this.#child)
    this.#link.write(encodeMessage(prologue))
  }

  /** Sends the plan, passes signals and the time limit on, and resolves when every process is gone. */
  async run(plan: LaunchPlan, spec: RunSpec, signal: AbortSignal): Promise<LaunchedRun> {
    const io = this.#io
    const lines: StatusLine[] = []
    try {
      // First of all: the gateway shall be there before the first packet.
      if (spec.network !== undefined) this.#egress = handOver(this.#egress, spec.network.attach)
      if (spec.ports !== undefined) this.#ports = handOver(this.#ports, spec.ports.attach)
      this.#link.write(encodeMessage(plan))
      io.onStarted?.()
      io.onSignalable?.((name) => this.#link.signal(signalNumber(name)))
      const watching = io.terminal === undefined ? undefined : watch(this.#status, lines, io, this.#link)
      const stopReason = await untilExit(this.#child, this.#link, spec.timeoutMs, signal)
      await (watching ?? readRest(this.#status, lines))
      return { lines, stopReason }
    } finally {
      this.#end()
    }
  }

  /** Ends the helper, which has not run anything. */
  async discard(): Promise<void> {
    this.#link.kill()
    await this.#child.exited
    this.#end()
  }

  #end(): void {
    this.#link.close()
    closeSync(this.#status)
    this.#egress = handOver(this.#egress, closeSync)
    this.#ports = handOver(this.#ports, closeSync)
  }
}

/** Lets somebody have a descriptor, if it is still ours. It is not afterwards. */
function handOver(fd: number | undefined, taker: (fd: number) => void): undefined {
  if (fd !== undefined) taker(fd)
  return undefined
}

type Child = ReturnType<typeof spawnHelper>

/** `ends` are the helper's own descriptors: control, status, and the connections that the arguments say are there. */
function spawnHelper(helperPath: string, asRoot: boolean, io: RunIo, ends: readonly number[]) {
  const command = [helperPath, asRoot ? 'launch-as-root' : 'launch-as-user', 'egress', 'ports']
  const stdio = [io.stdin, io.stdout, io.stderr, ...ends] as const
  const terminal = io.terminal
  // Detached: a Ctrl-C at our terminal is ours to pass on; it must not end the helper before there is a command.
  if (terminal === undefined) return Bun.spawn(command, { env: HELPER_ENV, cwd: '/', stdio: [...stdio], detached: true })
  const child = Bun.spawn(command, {
    env: HELPER_ENV,
    cwd: '/',
    stdio: [...stdio],
    terminal: { cols: terminal.cols, rows: terminal.rows, data: (_, bytes) => terminal.onOutput(bytes) },
  })
  const device = child.terminal
  if (device !== undefined) {
    terminal.onReady({ write: (bytes) => void device.write(bytes), resize: (cols, rows) => device.resize(cols, rows) })
  }
  return child
}

/** Our end of the control descriptor. Closing it is the order to end. */
class ControlLink {
  readonly #child: Child
  #fd: number | undefined

  constructor(fd: number, child: Child) {
    this.#fd = fd
    this.#child = child
  }

  write(bytes: Uint8Array): void {
    if (this.#fd === undefined) return
    try {
      for (let sent = 0; sent < bytes.length;) sent += writeSync(this.#fd, bytes, sent)
    } catch (error) {
      ignore(error, 'the other side has ended; its exit tells the rest')
    }
  }

  signal(number: number): void {
    this.write(Uint8Array.of('S'.charCodeAt(0), number))
  }

  resume(): void {
    this.write(Uint8Array.of('R'.charCodeAt(0), 0))
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  /** Ends the sandbox: process 1 goes when its orders end, and everything in it with it. */
  kill(): void {
    this.close()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), LAST_RESORT_MS)
    timer.unref()
    void this.#child.exited.then(() => clearTimeout(timer))
  }
}

async function untilExit(
  child: Child,
  link: ControlLink,
  timeoutMs: number | undefined,
  signal: AbortSignal,
): Promise<LaunchedRun['stopReason']> {
  let reason: LaunchedRun['stopReason']
  const timers: NodeJS.Timeout[] = []
  const onAbort = (): void => {
    reason ??= 'canceled'
    link.kill()
  }
  const onTimeout = (): void => {
    reason ??= 'timed_out'
    link.signal(signalNumber('SIGTERM'))
    timers.push(setTimeout(() => link.kill(), GRACE_MS))
  }
  if (timeoutMs !== undefined) timers.push(setTimeout(onTimeout, timeoutMs))
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    await child.exited
    return reason
  } finally {
    signal.removeEventListener('abort', onAbort)
    timers.forEach((timer) => clearTimeout(timer))
  }
}

/** What is in the status pipe when every writer is gone: a few hundred bytes. */
function readRest(fd: number, lines: StatusLine[]): void {
  if (fstatSync(fd).isFIFO()) lines.push(...readStatusLines(readFileSync(fd, 'utf8')))
}

/** Follows the status pipe live, for job control. */
async function watch(fd: number, lines: StatusLine[], io: RunIo, link: ControlLink): Promise<void> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of Bun.file(fd).stream()) {
    rest += decoder.decode(chunk, { stream: true })
    const end = rest.lastIndexOf('\n') + 1
    for (const line of readStatusLines(rest.slice(0, end))) {
      if (line.stopped === true) io.onStopped?.(() => link.resume())
      else lines.push(line)
    }
    rest = rest.slice(end)
  }
}
