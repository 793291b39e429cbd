import type { RunEventName, RunEvents } from '../contract/run-events.ts'
import type { ExecEnd, ExecSession } from '../contract/sandbox-operations.ts'
import { failureOf } from './envelope.ts'
import type { ServerEvent } from './event-stream.ts'
import { type TextPiece, TextPieces } from './text-pieces.ts'

/** As much of the end of the output as `done` repeats when the command failed, in characters. */
const TAIL_LENGTH = 16 * 1024

export function runEvent<N extends RunEventName>(event: N, data: RunEvents[N]): ServerEvent {
  return { event, data }
}

/** The event for whatever went wrong. */
export function errorEvent(error: unknown): ServerEvent {
  const { body } = failureOf(error)
  return runEvent('error', { message: String(body['error']), code: String(body['code']), fix: String(body['fix']) })
}

/** The output of a command as it comes, then how it ended. */
export async function* sessionEvents(session: ExecSession): AsyncGenerator<ServerEvent> {
  const pieces = { stdout: new TextPieces(), stderr: new TextPieces() }
  let tail = ''
  const output = (stream: 'stdout' | 'stderr', piece: TextPiece): ServerEvent => {
    tail = (tail + piece.text.slice(-TAIL_LENGTH)).slice(-TAIL_LENGTH)
    const { text, ...encoding } = piece
    return runEvent('output', { data: text, content: text, stream, ...encoding })
  }
  for await (const chunk of session.output) {
    const piece = 'gap' in chunk ? pieces[chunk.channel].end() : pieces[chunk.channel].push(chunk.bytes)
    if (piece !== undefined) yield output(chunk.channel, piece)
    if ('gap' in chunk) yield runEvent('gap', { stream: chunk.channel, offset: chunk.offset })
  }
  for (const stream of ['stdout', 'stderr'] as const) {
    const piece = pieces[stream].end()
    if (piece !== undefined) yield output(stream, piece)
  }
  yield done(session.id, await session.result, tail)
}

function done(id: string, end: ExecEnd, tail: string): ServerEvent {
  const success = end.exit_code === 0
  return runEvent('done', { ...end, success, exec_id: id, ...(success ? {} : { output: tail }) })
}
