import type { ErrorCode } from '../../contract/errors.ts'
import { AppError } from '../../contract/errors.ts'
import type { RunIo } from '../../contract/run.ts'
import { signalNumber } from '../../lib/signals.ts'
import type { Driver, DriverFacts, ProbeReport, RunOutcome, RunSpec } from '../driver.ts'
import type { KeeperOptions } from '../shared/sandbox-keeper.ts'
import type { End, Life } from './life.ts'
import { createLife } from './life.ts'
import type { Machine } from './programs.ts'
import { lookUp } from './programs.ts'
import { createFakeSandboxes, type SandboxFaults, type VerbCall } from './sandboxes.ts'
import type { Streams } from './streams.ts'
import { openStreams } from './streams.ts'

/** Knobs of the fake. Without any it interprets a few commands (see README.md) and behaves as a working driver does. */
export interface FakeDriverOptions {
  /** What `facts` says instead of the fake's own. */
  readonly facts?: Partial<DriverFacts>
  /** Makes `probe` report that nothing works here, with this sentence, and `runOnce` fail with `backend_unavailable`. */
  readonly unusable?: string
  /** Time before a run starts, in ms. @default 0 */
  readonly startDelayMs?: number
  /** Every run fails to start with this code. */
  readonly failStart?: ErrorCode
  /** Every command exists and ends with this status, 0–255. */
  readonly exitCode?: number
  /** Every command exists and writes this to its standard output. */
  readonly output?: string | Uint8Array
  /** Every command exists and runs until a signal, its time limit or the caller ends it. @default false */
  readonly hangUntilSignal?: boolean
  /** Every command exists and is killed: by a signal number, or for want of `memory`. */
  readonly killedBy?: number | 'memory'
  /** Each run leaves a trace, as after a crash of ours; `recover` removes it. @default false */
  readonly leaveTrace?: boolean
  /** Further fields of every outcome. */
  readonly outcome?: Partial<Pick<RunOutcome, 'memoryPeakBytes' | 'changedFiles' | 'notices'>>
  /** Where sandboxes that stay are, and who looks after them; without it there are only single runs. */
  readonly keep?: KeeperOptions
  /** What goes wrong with sandboxes that stay. Looked at in each call, so a test may change its own object meanwhile. */
  readonly faults?: SandboxFaults
  /** Waits; resolves early when `signal` is aborted. @default a real timer */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

/** A driver that runs nothing, with windows for tests. */
export interface FakeDriver extends Driver {
  readonly runOnce: NonNullable<Driver['runOnce']>
  /** Ids of the runs going on now. */
  readonly running: () => readonly string[]
  /** Every spec `runOnce` was called with, oldest first. */
  readonly seen: () => readonly RunSpec[]
  /** Ids of the runs whose trace is still there. */
  readonly traces: () => readonly string[]
  /** Every call of a verb for sandboxes that stay, oldest first. */
  readonly verbCalls: () => readonly VerbCall[]
}

const OWN_FACTS: DriverFacts = { isolation: 'process', egress: 'none', limits: 'best-effort', hostRoot: true }
const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin'

/** Makes a driver that keeps the contract without starting any process. Each one has its own state. */
export function createFakeDriver(options: FakeDriverOptions = {}): FakeDriver {
  const running = new Map<string, Life>()
  const traces = new Set<string>()
  const seen: RunSpec[] = []
  const verbCalls: VerbCall[] = []
  const { keep, faults = {} } = options
  return {
    ...(keep === undefined
      ? {}
      : { sandboxes: createFakeSandboxes({ keep, faults, wait: options.wait ?? realWait, onCall: (call) => void verbCalls.push(call) }) }),
    name: 'fake',
    facts: { ...OWN_FACTS, ...options.facts },
    probe: () => Promise.resolve(probeReport(options)),
    runOnce: async (spec, io, signal) => {
      seen.push(spec)
      const life = createLife()
      running.set(spec.id, life)
      if (options.leaveTrace === true) traces.add(spec.id)
      try {
        return await live(spec, io, signal, life, options)
      } finally {
        running.delete(spec.id)
      }
    },
    recover: () => {
      const dead = [...traces].filter((id) => !running.has(id))
      for (const id of dead) traces.delete(id)
      return Promise.resolve(dead.length)
    },
    running: () => [...running.keys()],
    seen: () => [...seen],
    traces: () => [...traces],
    verbCalls: () => [...verbCalls],
  }
}

function probeReport({ unusable }: FakeDriverOptions): ProbeReport {
  if (unusable === undefined) return { usable: true, findings: [{ check: 'pretended sandbox', status: 'ok', detail: 'Nothing is run.' }] }
  return { usable: false, findings: [{ check: 'pretended sandbox', status: 'error', detail: unusable }] }
}

/** One run from start to end; everything it opens is closed again. */
async function live(spec: RunSpec, io: RunIo, signal: AbortSignal, life: Life, options: FakeDriverOptions): Promise<RunOutcome> {
  const cancel = (): void => life.end({ ended: 'canceled' })
  signal.addEventListener('abort', cancel)
  if (signal.aborted) cancel()
  const wait = options.wait ?? realWait
  const streams = openStreams(io)
  try {
    if (options.startDelayMs !== undefined) await wait(options.startDelayMs, life.over)
    if (!life.over.aborted) {
      const behave = prepare(spec, options)
      io.onStarted?.()
      io.onSignalable?.((name) => life.deliver(signalNumber(name)))
      await carryOut(behave, machineOf(spec, streams, life, wait), spec.timeoutMs, wait)
    }
    const memory = options.killedBy === 'memory' ? { memoryPeakBytes: spec.permissions.memoryBytes } : {}
    return { notices: [], ...memory, ...options.outcome, ...(await life.ended) }
  } finally {
    // Changes nothing after a proper end; after a failure it stops whatever still waits.
    cancel()
    signal.removeEventListener('abort', cancel)
    streams.close()
  }
}

/** What the command does, from its machine to its exit status. */
type Behaviour = (machine: Machine) => Promise<number>

/** Finds out what the command does before it starts. Errors: those of `runOnce` in the driver contract. */
function prepare(spec: RunSpec, options: FakeDriverOptions): Behaviour {
  if (options.unusable !== undefined) throw new AppError('backend_unavailable', options.unusable)
  if (options.failStart !== undefined) throw new AppError(options.failStart, `the fake was told to fail with ${options.failStart}`)
  const cwd = cwdOf(spec)
  if (!['/', '/tmp', '/usr', '/workspace'].includes(cwd)) {
    throw new AppError('workdir_not_found', `no directory "${cwd}" in the sandbox`)
  }
  const scripted = scriptedBehaviour(options)
  if (scripted !== undefined) return scripted
  const [word = '', ...args] = spec.command
  const program = lookUp(word)
  if (program === 'missing') throw new AppError('command_not_found', `no command "${word}" in the sandbox`)
  if (program === 'not_executable') throw new AppError('command_not_executable', `"${word}" cannot be executed`)
  return (machine) => program(machine, args, 'out')
}

/** The behaviour that the knobs ask for; undefined when the command is to be interpreted. */
function scriptedBehaviour({ output, exitCode, hangUntilSignal, killedBy }: FakeDriverOptions): Behaviour | undefined {
  if (output === undefined && exitCode === undefined && hangUntilSignal !== true && killedBy === undefined) return undefined
  return async ({ write, life }) => {
    if (output !== undefined) await write('out', typeof output === 'string' ? new TextEncoder().encode(output) : output)
    if (hangUntilSignal === true) await life.ended
    if (killedBy !== undefined) life.end(killedBy === 'memory' ? { ended: 'out_of_memory' } : { ended: 'signaled', signal: killedBy })
    return exitCode ?? 0
  }
}

/** Carries the behaviour out under its time limit and waits until nothing of it is left. */
async function carryOut(behave: Behaviour, machine: Machine, timeoutMs: number | undefined, wait: typeof realWait): Promise<void> {
  const { life } = machine
  const limit = timeoutMs === undefined ? undefined : wait(timeoutMs, life.over).then(() => life.end({ ended: 'timed_out' } satisfies End))
  const status = await behave(machine)
  life.end({ ended: 'exited', status })
  await Promise.all([...machine.jobs, limit])
}

function machineOf(spec: RunSpec, streams: Streams, life: Life, wait: typeof realWait): Machine {
  return {
    env: { PATH: DEFAULT_PATH, HOME: '/home/user', ...spec.env },
    cwd: cwdOf(spec),
    life,
    input: () => streams.input(life.over),
    // A writer whose reader is gone is ended by the kernel's signal for that.
    write: async (to, bytes) => {
      if (!(await streams.write(to, bytes, life.over))) life.deliver(signalNumber('SIGPIPE'))
    },
    wait: (ms) => wait(ms, life.over),
    jobs: [],
  }
}

function cwdOf(spec: RunSpec): string {
  return spec.cwd ?? (spec.workspace === undefined ? '/' : '/workspace')
}

function realWait(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    // A longer time than timers can hold is as good as for ever.
    const timer = setTimeout(resolve, Math.min(ms, 0x7fffffff))
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
