import type { Caller } from '../contract/sandbox-operations.ts'

/** Whoever uses the command line came through the user's own socket. */
export const CALLER: Caller = { door: 'socket', authenticated: true }

/** For requests that nothing here cancels: Ctrl-C ends the process, and the daemon sees the connection end. */
export function uncanceled(): AbortSignal {
  return new AbortController().signal
}
