import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'bun:test'
import type { RunSignal } from '../../src/contract/run.ts'
import type { Driver, DriverFacts, RunOutcome } from '../../src/drivers/driver.ts'
import { isAppError } from '../../src/contract/errors.ts'
import { ignore } from '../../src/lib/ignore.ts'
import type { SpecParts } from './make-spec.ts'
import { makeSpec } from './make-spec.ts'
import type { Collected } from './pipes.ts'
import { withPipes } from './pipes.ts'

/** One thing every driver must do. */
export interface ConformanceCase {
  /** A sentence about behaviour; drivers name it to skip it. */
  readonly name: string
  /** The claim the case attacks; it applies only to drivers that make it. */
  readonly claim?: { readonly says: string; readonly made: (facts: DriverFacts) => boolean }
  readonly run: (kit: Kit) => Promise<void>
}

/** How a run ended and everything it wrote. */
export interface Ran {
  readonly outcome: RunOutcome
  readonly stdout: Buffer
  readonly stderr: Buffer
  readonly notices: readonly string[]
}

/** A run going on. */
export interface Running {
  readonly done: Promise<Ran>
  readonly started: Promise<void>
  readonly stdout: Collected
  readonly write: (bytes: Uint8Array) => Promise<boolean>
  readonly endInput: () => void
  readonly send: (signal: RunSignal) => Promise<void>
  readonly abort: () => void
}

/** What a case works with. Everything it starts or makes is gone when the case ends. */
export interface Kit {
  readonly driver: Driver
  readonly start: (parts: SpecParts) => Running
  /** Starts a command, gives it `stdin` (nothing when undefined) and waits for its end. */
  readonly run: (parts: SpecParts, stdin?: Uint8Array) => Promise<Ran>
  /** Runs a shell script and resolves with what it wrote to stdout; fails unless it exits with 0. */
  readonly sh: (script: string, parts?: Omit<SpecParts, 'command'>) => Promise<string>
  /** Runs a command that must not start and resolves with the code of the error. */
  readonly refused: (parts: SpecParts) => Promise<string>
  /** A fresh folder of the host, symlinks resolved. */
  readonly tempDir: () => Promise<string>
}

/** Carries one case out with a fresh driver and cleans up after it, whether it passed or not. */
export async function withKit(driver: Driver, action: (kit: Kit) => Promise<void>): Promise<void> {
  const folders: string[] = []
  const runs: Running[] = []
  const start = (parts: SpecParts): Running => {
    const running = startRun(driver, parts)
    runs.push(running)
    return running
  }
  const run = async (parts: SpecParts, stdin?: Uint8Array): Promise<Ran> => {
    const running = start(parts)
    const fed = stdin === undefined ? Promise.resolve(true) : running.started.then(() => running.write(stdin))
    // A command that ends without reading makes the write fail, which is for the case to judge by the result.
    void fed.finally(running.endInput)
    return running.done
  }
  const tempDir = async (): Promise<string> => {
    const folder = await realpath(await mkdtemp(join(tmpdir(), 'conformance-')))
    folders.push(folder)
    return folder
  }
  try {
    await action({ driver, start, run, sh: (script, parts) => shell(run, script, parts), refused: (parts) => refusal(run, parts), tempDir })
  } finally {
    for (const running of runs) running.abort()
    await Promise.allSettled(runs.map((running) => running.done))
    for (const folder of folders) await rm(folder, { recursive: true, force: true })
  }
}

function startRun(driver: Driver, parts: SpecParts): Running {
  const { runOnce } = driver
  if (runOnce === undefined) throw new Error(`driver ${driver.name} has no runOnce`)
  const far = withPipes()
  const controller = new AbortController()
  const done = (async () => {
    try {
      const outcome = await runOnce.call(driver, makeSpec(parts), far.io, controller.signal)
      far.release()
      const [stdout, stderr] = await Promise.all([far.stdout.all, far.stderr.all])
      return { outcome, stdout, stderr, notices: far.notices }
    } finally {
      far.release()
      far.endInput()
    }
  })()
  // A case that fails before it waits must not leave a rejection that nobody sees.
  done.catch((error: unknown) => ignore(error, 'the case looks at `done` itself'))
  return {
    done,
    started: far.started,
    stdout: far.stdout,
    write: far.write,
    endInput: far.endInput,
    send: async (signal) => (await far.signalable)(signal),
    abort: () => controller.abort(),
  }
}

async function shell(run: Kit['run'], script: string, parts: Omit<SpecParts, 'command'> = {}): Promise<string> {
  const { outcome, stdout, stderr } = await run({ ...parts, command: ['sh', '-c', script] })
  expect({ ...exitOf(outcome), stderr: stderr.toString() }).toEqual({ ended: 'exited', status: 0, stderr: stderr.toString() })
  return stdout.toString()
}

async function refusal(run: Kit['run'], parts: SpecParts): Promise<string> {
  try {
    const { outcome } = await run(parts)
    return `no error, but ${JSON.stringify(outcome)}`
  } catch (error) {
    if (isAppError(error)) return error.code
    throw error
  }
}

/** The fields of an outcome that say how it ended. */
export function exitOf({ ended, status, signal }: RunOutcome): Partial<RunOutcome> {
  return { ended, ...(status === undefined ? {} : { status }), ...(signal === undefined ? {} : { signal }) }
}
