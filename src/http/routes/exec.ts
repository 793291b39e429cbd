import type { RunEvents } from '../../contract/run-events.ts'
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

  execStream: async ({ name, ...request }, exchange, warnings) => {
    const { deps, caller, signal } = exchange
    // Started before the answer, so that what is refused has its own status.
    const session = await deps.sandboxes.execStream(name, request, { caller }, signal)
    const ignored = warnings.length === 0 ? {} : { warnings }
    const begin = { command: request.command, fast: false, timestamp: deps.now().toISOString(), exec_id: session.id, ...ignored }
    return eventsResponse(exchange, follow(session, begin))
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

async function* follow(session: ExecSession, begin: RunEvents['started']): AsyncGenerator<ServerEvent> {
  try {
    yield runEvent('started', begin)
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
