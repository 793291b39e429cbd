import { AppError } from '../../contract/errors.ts'
import type { SandboxState } from '../../contract/sandboxes.ts'

/** What can be asked of a sandbox that changes its state. */
export type Transition = 'start' | 'stop' | 'archive' | 'recover' | 'remove'

/**
 * The state machine, whole. `from` are the states it is legal in; `to` is where it leads when every step succeeds. While the steps of a
 * transition are under way the sandbox stays in the state it came from, except that a removal says so at once: after a crash
 * it is finished, everything else is put right from what is true.
 */
export const TRANSITIONS = {
  start: { from: ['creating', 'stopped', 'failed', 'running'], to: 'running' },
  stop: { from: ['running', 'stopped', 'failed', 'archived'], to: 'stopped' },
  // Again on one that is archived: whatever of it still runs is ended.
  archive: { from: ['running', 'stopped', 'failed', 'archived'], to: 'archived' },
  recover: { from: ['archived', 'failed', 'stopped', 'running'], to: 'stopped' },
  // From every state, also while something else is under way.
  remove: { from: ['creating', 'running', 'stopped', 'archived', 'failed', 'removing'], to: undefined },
} as const satisfies Readonly<Record<Transition, { readonly from: readonly SandboxState[]; readonly to: SandboxState | undefined }>>

/** Errors: `sandbox_archived`, `busy`. */
export function requireLegal(transition: Transition, name: string, state: SandboxState): void {
  const from: readonly SandboxState[] = TRANSITIONS[transition].from
  if (from.includes(state)) return
  if (state === 'archived') throw new AppError('sandbox_archived', `sandbox "${name}" is archived; recover it first`)
  throw new AppError('busy', `sandbox "${name}" is ${state}, so it cannot ${transition}`)
}
