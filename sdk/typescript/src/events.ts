import { errorFromMessage, NetworkError, ServerError } from './errors.ts'
import { parseEventData } from './event-data.ts'
import type { Transport } from './transport.ts'
import type { EventsOptions, LifecycleEvent } from './types/sandboxes.ts'

const DEFAULT_RECONNECTS = 10
const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = 5000

/** The events of a server, over as many connections as it takes. */
export async function* followEvents(api: Transport, options: EventsOptions): AsyncGenerator<LifecycleEvent, void, void> {
  const { sandbox, signal, reconnects = DEFAULT_RECONNECTS } = options
  let lastId = options.lastEventId === undefined ? '' : String(options.lastEventId)
  let retry = FIRST_DELAY_MS
  for (let failures = 0; ; failures += 1) {
    try {
      const headers = lastId === '' ? {} : { 'Last-Event-ID': lastId }
      const call = { query: { sandbox }, headers, options: { ...(signal && { signal }) } }
      const messages = await api.openEvents('GET', '/events', call)
      failures = -1
      for await (const message of messages) {
        if (message.id !== '') lastId = message.id
        retry = message.retry ?? retry
        const fields = parseEventData(message.data)
        if (message.event === 'error') throw errorFromMessage(fields)
        // The one place where an event gets its type.
        yield fields as unknown as LifecycleEvent
      }
    } catch (error) {
      if (!mayPass(error) || failures >= reconnects) throw error
    }
    await pause(Math.min(retry * 2 ** Math.max(failures, 0), Math.max(retry, MAX_DELAY_MS)), signal)
  }
}

/** True when the same request may succeed soon: the server restarts, or the network had a moment. */
function mayPass(error: unknown): boolean {
  if (error instanceof NetworkError) return true
  return error instanceof ServerError && (error.status === 502 || error.status === 503 || error.status === 504)
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (done: () => void): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      done()
    }
    const onAbort = (): void => end(() => reject(signal?.reason))
    const timer = setTimeout(() => end(resolve), ms)
    if (signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}
