import { AppError, type ErrorCode } from '../../contract/errors.ts'
import type { ResourceLimits, SandboxHandle, SandboxVerbs } from '../driver.ts'
import { endProcess } from '../shared/keep-helper.ts'
import type { ProcessIdentity } from '../shared/process.ts'
import { type Isolation, type KeeperOptions, SandboxKeeper } from '../shared/sandbox-keeper.ts'

/** The verbs in which something can go wrong. */
export type FaultyVerb = 'create' | 'start' | 'stop' | 'destroy' | 'resize'

/** What goes wrong with sandboxes that stay. */
export interface SandboxFaults {
  /** Fails before it has done anything, with this error. */
  readonly fail?: Partial<Record<FaultyVerb, ErrorCode>>
  /** Fails with this error when everything is done. */
  readonly failAfter?: Partial<Record<FaultyVerb, ErrorCode>>
  /** Takes this long before it does anything, in ms; less when it is given up. */
  readonly delayMs?: Partial<Record<FaultyVerb, number>>
  /** Does nothing until it is given up. */
  readonly hang?: readonly FaultyVerb[]
  /** Each sandbox is gone by the time `start` resolves. @default false */
  readonly diesAfterStart?: boolean
}

/** One call of a verb. */
export interface VerbCall {
  readonly verb: FaultyVerb | 'sweep'
  /** Of the sandbox; empty for all of them. */
  readonly id: string
  readonly graceMs?: number
  readonly limits?: ResourceLimits
}

export interface FakeSandboxesInput {
  readonly keep: KeeperOptions
  readonly faults: SandboxFaults
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>
  readonly onCall: (call: VerbCall) => void
}

const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin'

/**
 * Sandboxes that stay and isolate nothing: their commands are ordinary processes of the host, so they need neither root nor bubblewrap. Shim,
 * agent, log and files are the real ones. Only for tests.
 */
export function createFakeSandboxes({ keep, faults, wait, onCall }: FakeSandboxesInput): SandboxVerbs {
  const keeper = new SandboxKeeper(keep, isolationOf(keep))
  const faulty = async <T>(verb: FaultyVerb, signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
    await disturb(verb, faults, wait, signal)
    const done = await work()
    failWith(faults.failAfter?.[verb])
    return done
  }
  return {
    plan: (spec) => keeper.plan(spec),
    create: (handle, spec, signal) => {
      onCall({ verb: 'create', id: handle.id })
      return faulty('create', signal, () => keeper.create(handle, spec, signal))
    },
    start: (handle, spec, signal) => {
      onCall({ verb: 'start', id: handle.id })
      return faulty('start', signal, async () => {
        const started = await keeper.start(handle, spec, signal)
        if (faults.diesAfterStart === true) await die(keep.helperPath, started)
        return started
      })
    },
    stop: (handle, graceMs, signal) => {
      onCall({ verb: 'stop', id: handle.id, graceMs })
      return faulty('stop', signal, () => keeper.stop(handle, graceMs, signal))
    },
    destroy: (handle, signal) => {
      onCall({ verb: 'destroy', id: handle.id })
      return faulty('destroy', signal, () => keeper.destroy(handle, signal))
    },
    resize: (handle, limits, signal) => {
      onCall({ verb: 'resize', id: handle.id, limits })
      return faulty('resize', signal, async () => undefined)
    },
    sweep: (isKnown, signal) => {
      onCall({ verb: 'sweep', id: '' })
      return keeper.sweep(isKnown, signal)
    },
    connect: (handle) => keeper.connect(handle),
    inspect: (handle) => keeper.inspect(handle),
    usage: (handle) => keeper.usage(handle),
  }
}

function isolationOf({ version }: KeeperOptions): Isolation {
  return {
    driver: 'fake',
    check: () => undefined,
    newOwner: () => undefined,
    // Nothing is mounted anywhere, so the folders are where they are on the host.
    guest: ({ callerPath }, { home, upper }) => ({
      env: { HOME: home, PATH: callerPath === '' ? DEFAULT_PATH : callerPath },
      cwd: upper,
    }),
    begin: () =>
      Promise.resolve({
        orders: { mode: 'none', agent_spec: { limits: [], version } },
        settle: () => ({ notices: [] }),
      }),
    limits: { release: () => Promise.resolve(), ids: () => [], usage: () => ({}) },
  }
}

async function disturb(verb: FaultyVerb, faults: SandboxFaults, wait: FakeSandboxesInput['wait'], signal: AbortSignal): Promise<void> {
  const delayMs = faults.hang?.includes(verb) === true ? Number.POSITIVE_INFINITY : faults.delayMs?.[verb]
  if (delayMs !== undefined) await wait(delayMs, signal)
  if (signal.aborted) throw new AppError('canceled', `${verb} was given up`)
  failWith(faults.fail?.[verb])
}

function failWith(code: ErrorCode | undefined): void {
  if (code !== undefined) throw new AppError(code, `the fake was told to fail with ${code}`)
}

/** Kills a sandbox that runs. */
async function die(helperPath: string, { state }: SandboxHandle): Promise<void> {
  // The keeper put it there a moment ago.
  await endProcess(helperPath, (state as { readonly live: ProcessIdentity }).live, 0)
}
