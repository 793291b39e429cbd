import { AppError } from '../../contract/errors.ts'
import type { SandboxHandle, SandboxSpec, SandboxVerbs } from '../../drivers/driver.ts'
import type { SandboxRecord, SandboxStore } from '../../store/sandboxes/store.ts'
import { handleOf, savedOf } from './saved.ts'

/**
 * The life of a sandbox as lists of steps. A crash may come before, in and after each; so each may run twice, and the handle is
 * saved between them. `crashPoints` names every such moment: the crash walk kills the daemon at each.
 */
export interface Step {
  readonly name: string
  readonly run: (context: StepContext) => Promise<SandboxHandle | undefined>
}

export interface StepContext {
  readonly record: SandboxRecord
  readonly verbs: SandboxVerbs
  readonly signal: AbortSignal
  /** Makes sure that an agent answers at the handle's address. */
  readonly greet: (handle: SandboxHandle, signal: AbortSignal) => Promise<void>
  /** The spec with what belongs to one start only: certificates, secrets that are files. */
  readonly specForStart: (record: SandboxRecord) => Promise<SandboxSpec>
  /** Opens its way out and its ports. */
  readonly openNetwork: (record: SandboxRecord, handle: SandboxHandle) => Promise<void>
}

const GRACE_MS = 3_000

const plan: Step = {
  name: 'plan',
  run: async ({ record, verbs }) => handleOf(record) ?? verbs.plan(savedOf(record).spec),
}
const makeFiles: Step = {
  name: 'make-files',
  run: ({ record, verbs, signal }) => verbs.create(handleIn(record), savedOf(record).spec, signal),
}
const startProcesses: Step = {
  name: 'start-processes',
  run: async ({ record, verbs, signal, specForStart }) => verbs.start(handleIn(record), await specForStart(record), signal),
}
const greetAgent: Step = {
  name: 'greet-agent',
  run: async ({ record, greet, signal }) => {
    await greet(handleIn(record), signal)
    return undefined
  },
}
const openNetwork: Step = {
  name: 'open-network',
  run: async (context) => {
    await context.openNetwork(context.record, handleIn(context.record))
    return undefined
  },
}
const stopProcesses: Step = {
  name: 'stop-processes',
  run: async ({ record, verbs, signal }) => {
    const handle = handleOf(record)
    return handle === undefined ? undefined : verbs.stop(handle, GRACE_MS, signal)
  },
}
const destroy: Step = {
  name: 'destroy',
  run: async ({ record, verbs, signal }) => {
    const handle = handleOf(record)
    if (handle !== undefined) await verbs.destroy(handle, signal)
    return undefined
  },
}

export const STEPS = {
  create: [plan, makeFiles],
  start: [startProcesses, greetAgent, openNetwork],
  stop: [stopProcesses],
  remove: [destroy],
} as const satisfies Record<string, readonly Step[]>
export type StepList = keyof typeof STEPS

/** Every moment between and around steps at which a crash must leave something that the next start repairs. */
export function crashPoints(): string[] {
  return Object.entries(STEPS).flatMap(([list, steps]) => [
    `${list}:begin`,
    ...steps.flatMap((step) => [`${list}.${step.name}:done`, `${list}.${step.name}:saved`]),
    `${list}:end`,
  ])
}

export interface StepRunner {
  readonly store: SandboxStore
  readonly now: () => number
  /** Called at each crash point; does nothing but in the crash walk. */
  readonly at: (point: string) => void
}

/** Runs a list of steps, saving the handle after each. Resolves with the record as saved last; adds to `timings`, in ms. */
export async function runSteps(
  runner: StepRunner,
  list: StepList,
  context: StepContext,
  timings: Record<string, number> = {},
): Promise<SandboxRecord> {
  let { record } = context
  runner.at(`${list}:begin`)
  for (const step of STEPS[list]) {
    context.signal.throwIfAborted()
    const began = runner.now()
    const handle = await step.run({ ...context, record })
    timings[step.name] = Math.round((runner.now() - began) * 10) / 10
    runner.at(`${list}.${step.name}:done`)
    const change = { step: `${list}.${step.name}`, ...(handle === undefined ? {} : { handle: JSON.stringify(handle) }) }
    const saved = runner.store.update(record.id, change)
    if (saved === undefined) throw new AppError('canceled', `sandbox "${record.name}" was removed meanwhile`)
    record = saved
    runner.at(`${list}.${step.name}:saved`)
  }
  runner.at(`${list}:end`)
  return record
}

function handleIn(record: SandboxRecord): SandboxHandle {
  const handle = handleOf(record)
  if (handle === undefined) throw new AppError('store_failed', `sandbox "${record.name}" has no handle, although it was planned`)
  return handle
}
