import { constants } from 'node:os'
import type { RunOutcome } from '../driver.ts'

/** How a pretended command ended. */
export type End = Pick<RunOutcome, 'ended' | 'status' | 'signal'>

/** The life of one pretended command: it ends once, by itself, by a signal or from outside. */
export interface Life {
  /** Aborted at the end, so that everything that waits stops waiting. */
  readonly over: AbortSignal
  /** Resolves at the end. */
  readonly ended: Promise<End>
  /** Ends the life; later calls change nothing. */
  readonly end: (end: End) => void
  /** Delivers a signal: to the handler that was set for it, else it ends the life. */
  readonly deliver: (signal: number) => void
  /** Sets what a signal does instead of ending the life. The kill signal cannot be handled. */
  readonly handle: (signal: number, handler: () => void) => void
}

export function createLife(): Life {
  const controller = new AbortController()
  const handlers = new Map<number, () => void>()
  const { promise: ended, resolve } = Promise.withResolvers<End>()
  const end = (how: End): void => {
    resolve(how)
    controller.abort()
  }
  const deliver = (signal: number): void => {
    const handler = signal === constants.signals.SIGKILL ? undefined : handlers.get(signal)
    if (handler === undefined) end({ ended: 'signaled', signal })
    else if (!controller.signal.aborted) handler()
  }
  return { over: controller.signal, ended, end, deliver, handle: (signal, handler) => void handlers.set(signal, handler) }
}
