import { AgentKernelError, NetworkError, TimeoutError } from './errors.ts'

export interface TimeLimit {
  /** ms; 0 = none. */
  readonly timeout: number
  readonly signal: AbortSignal | undefined
  /** What is waited for, for the message: `GET /health`. */
  readonly what: string
}

/**
 * Does `work` with a signal that fires when the time is up or when the caller's does. Rejects with `TimeoutError`, with the caller's
 * own reason, with the `AgentKernelError` of the work, or with a `NetworkError` for everything else that it threw.
 */
export async function withTimeLimit<T>(limit: TimeLimit, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { timeout, signal, what } = limit
  const controller = new AbortController()
  const late = new TimeoutError(`no answer to ${what} within ${timeout} ms`, { fix: 'Raise the option `timeout`.' })
  const timer = timeout === 0 ? undefined : setTimeout(() => controller.abort(late), timeout)
  const release = followSignal(signal, controller)
  try {
    return await work(controller.signal)
  } catch (error) {
    throw failure(error, controller.signal, what)
  } finally {
    clearTimeout(timer)
    release()
  }
}

/** Aborts `controller` when `signal` does; the result ends that. (`AbortSignal.any` leaks in some releases and is missing in others.) */
export function followSignal(signal: AbortSignal | undefined, controller: AbortController): () => void {
  if (signal === undefined) return () => undefined
  const onAbort = (): void => controller.abort(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  return () => signal.removeEventListener('abort', onAbort)
}

/** What to throw for `error`: once `signal` has fired, its reason is the cause of whatever came after. */
export function failure(error: unknown, signal: AbortSignal, what: string): unknown {
  if (signal.aborted) return signal.reason
  if (error instanceof AgentKernelError) return error
  return new NetworkError(`${what} failed: ${describe(error)}`, {
    cause: error,
    fix: 'Check that the server runs (`agentkernel serve`) and that baseUrl names it.',
  })
}

/** `fetch failed` says nothing; its causes do. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const inner = error.cause instanceof Error ? describe(error.cause) : ''
  const code = 'code' in error && typeof error.code === 'string' && !error.message.includes(error.code) ? ` (${error.code})` : ''
  return [`${error.message}${code}`, inner].filter((part) => part !== '').join(': ')
}
