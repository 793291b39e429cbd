import { AppError } from '../../contract/errors.ts'
import type { LifecycleEvent } from '../../contract/sandboxes.ts'
import type { ServerEvent } from '../event-stream.ts'
import type { Handlers } from '../handler.ts'
import { errorEvent } from '../run-events.ts'
import { eventsResponse } from '../stream-response.ts'

export const eventHandlers: Handlers<'events'> = {
  events: async ({ sandbox, after }, exchange) => {
    const { deps, request, signal, traffic } = exchange
    const from = lastEventId(request.headers) ?? after
    // They never end by themselves; a client that loses them comes back with the number of the last one it saw.
    const until = AbortSignal.any([signal, traffic.closing])
    const input = { ...(from === undefined ? {} : { after: from }), ...(sandbox === undefined ? {} : { sandbox }) }
    return eventsResponse(exchange, numbered(deps.sandboxes.events(input, until), until))
  },
}

function lastEventId(headers: Headers): number | undefined {
  const text = headers.get('last-event-id')?.trim()
  if (text === undefined || text === '') return undefined
  if (!/^\d{1,15}$/.test(text)) throw new AppError('invalid_argument', 'Last-Event-ID must be the number of an event')
  return Number(text)
}

async function* numbered(source: AsyncIterable<LifecycleEvent>, until: AbortSignal): AsyncGenerator<ServerEvent> {
  try {
    for await (const event of source) yield { event: event.event, data: event, id: event.id }
  } catch (error) {
    if (!until.aborted) yield errorEvent(error)
  }
}
