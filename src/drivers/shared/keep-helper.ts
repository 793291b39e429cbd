import { AppError } from '../../contract/errors.ts'
import type { WorkspaceView } from '../driver.ts'
import type { ProcessIdentity } from './process.ts'
import { cannotStart, startFailure } from './start-failure.ts'
import { readStatusLines } from './status-lines.ts'

/**
 * Work that the helper does for sandboxes that stay, in a process of its own (`guest/internal/keep`): folders that hostile code filled
 * may take long to walk through, and nothing else waits for them.
 */
export interface Owner {
  readonly uid: number
  readonly gid: number
}

const HELPER_ENV = { GOMAXPROCS: '1' }
/** Beyond the grace: how long the helper itself waits after it has killed, and some more, in ms. */
const END_LIMIT_MS = 8_000

/**
 * Makes the private copy of a project: hidden files do not come along, replaced ones come with their other content. `target` must not
 * exist. Aborting `signal` resolves when nothing works on it any more. Errors: `sandbox_start_failed`, `disk_full`, `canceled`.
 */
export function copyProject(
  helperPath: string,
  { hostPath, hidden, replaced }: WorkspaceView,
  target: string,
  owner: Owner,
  signal: AbortSignal,
): Promise<void> {
  const orders = { source: hostPath, target, hidden, replaced, owner }
  return help(helperPath, ['copy'], signal, JSON.stringify(orders))
}

/** Removes a folder, whatever is in it; a success also when it is gone. Errors: `sandbox_start_failed`, `canceled`. */
export const removeFolder = (helperPath: string, folder: string, signal: AbortSignal): Promise<void> =>
  help(helperPath, ['remove', folder], signal)

/** Ends one process and no other: by SIGTERM and, after the grace, SIGKILL. Errors: `sandbox_start_failed`. */
export function endProcess(helperPath: string, { pid, start_time }: ProcessIdentity, graceMs: number): Promise<void> {
  const signal = AbortSignal.timeout(graceMs + END_LIMIT_MS)
  return help(helperPath, ['end', `${pid}`, start_time, `${Math.round(graceMs)}`], signal)
}

async function help(helperPath: string, args: readonly string[], signal: AbortSignal, orders = ''): Promise<void> {
  if (signal.aborted) throw canceled()
  const child = startHelper(helperPath, args, orders)
  const kill = (): void => child.kill('SIGKILL')
  signal.addEventListener('abort', kill, { once: true })
  try {
    const [text, status] = await Promise.all([child.stdout.text(), child.exited])
    if (status === 0) return
    if (signal.aborted) throw canceled()
    throw startFailure(readStatusLines(text)[0] ?? { step: `keep ${args[0]}`, detail: `it ended with ${status}` })
  } finally {
    signal.removeEventListener('abort', kill)
  }
}

function startHelper(helperPath: string, args: readonly string[], orders: string) {
  try {
    return Bun.spawn([helperPath, 'keep', ...args], {
      env: HELPER_ENV,
      cwd: '/',
      stdin: new TextEncoder().encode(orders),
      stdout: 'pipe',
      stderr: 'ignore',
    })
  } catch (error) {
    throw cannotStart(helperPath, error)
  }
}

const canceled = (): AppError => new AppError('canceled', 'the request was given up')
