import { MAX_JSON_OUTPUT_BYTES } from '../../contract/sandboxes.ts'
import { commandReply } from '../command-reply.ts'
import type { ServerEvent } from '../event-stream.ts'
import type { ExecSession } from '../../contract/sandbox-operations.ts'
import { type Handlers, uncancelled } from '../handler.ts'
import { errorEvent, runEvent, sessionEvents } from '../run-events.ts'
import { eventsResponse } from '../stream-response.ts'

type Names = 'exec' | 'execStream' | 'execDetach' | 'execList' | 'execGet' | 'execLogs' | 'execKill'

export const execHandlers: Handlers<Names> = {
  exec: async ({ name, ...request }, { deps, caller, signal }, warnings) => {
    const result = await deps.sandboxes.exec(name, request, { caller }, signal)
    return commandReply(result.truncated === true ? { output_url: outputUrl(name, result.exec_id, 'stdout'), ...result } : result, warnings)
  },

  execStream: async ({ name, ...request }, exchange) => {
    const { deps, caller, signal } = exchange
    // Started before the answer, so that what is refused has its own status.
    const session = await deps.sandboxes.execStream(name, request, { caller }, signal)
    return eventsResponse(exchange, follow(session, request.command, deps.now().toISOString()))
  },

  execDetach: async ({ name, ...request }, { deps, caller }) => ({
    data: await deps.sandboxes.execDetach(name, request, { caller }, uncancelled()),
  }),

  execList: async ({ name }, { deps }) => ({ data: await deps.sandboxes.execList(name) }),

  execGet: async ({ name, id }, { deps }) => ({ data: await deps.sandboxes.execGet(name, id) }),

  execLogs: async ({ name, id, stream }, { deps, signal }) => {
    const log = await deps.sandboxes.execLogs(name, id, stream, {}, signal)
    const { text, truncated } = await beginning(log.bytes, MAX_JSON_OUTPUT_BYTES)
    const rest = truncated || log.start > 0 ? { truncated: true, output_url: outputUrl(name, id, stream) } : {}
    return { data: { [stream]: text, ...rest } }
  },

  execKill: async ({ name, id }, { deps }) => {
    await deps.sandboxes.execKill(name, id)
    return { data: 'Command killed' }
  },
}

/** Where all of a command's output can be read. */
function outputUrl(name: string, id: string, stream: 'stdout' | 'stderr'): string {
  return `/sandboxes/${encodeURIComponent(name)}/exec/detached/${encodeURIComponent(id)}/output?stream=${stream}`
}

async function* follow(session: ExecSession, command: readonly string[], timestamp: string): AsyncGenerator<ServerEvent> {
  try {
    yield runEvent('started', { command, fast: false, timestamp, exec_id: session.id })
    yield* sessionEvents(session)
  } catch (error) {
    yield errorEvent(error)
  }
}

async function beginning(
  chunks: AsyncIterable<Uint8Array>,
  limit: number,
): Promise<{ readonly text: string; readonly truncated: boolean }> {
  const kept: Uint8Array[] = []
  let room = limit
  for await (const chunk of chunks) {
    kept.push(chunk.subarray(0, room))
    room -= chunk.length
    if (room < 0) break
  }
  return { text: Buffer.concat(kept).toString('utf8'), truncated: room < 0 }
}
