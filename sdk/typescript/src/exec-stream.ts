import type { ByteSource } from './bytes.ts'
import { errorFromMessage, StreamError } from './errors.ts'
import type { ExecSession } from './exec-session.ts'
import { parseEventData } from './event-data.ts'
import type { StreamOptions, Transport } from './transport.ts'
import type { ExecEnd, ExecStreamEvent } from './types/commands.ts'

/** A command over server-sent events. */
export async function* streamedExec(
  api: Transport,
  path: string,
  body: object,
  options: StreamOptions,
): AsyncGenerator<ExecStreamEvent, void, void> {
  const decoder = new ChannelDecoder()
  for await (const { event, data } of api.events('POST', path, { body, options })) {
    const fields = parseEventData(data)
    if (event === 'started') yield started(fields)
    else if (event === 'output') yield decoder.output(channelOf(fields), bytesOf(fields))
    else if (event === 'gap') yield { type: 'gap', stream: channelOf(fields), offset: Number(fields['offset']) }
    else if (event === 'error') throw errorFromMessage(fields)
    else if (event === 'done') {
      yield { type: 'done', ...endOf(fields) }
      return
    }
  }
  throw new StreamError('the stream ended before the command did')
}

/** The same over a WebSocket. Whoever leaves the loop ends the command. */
export async function* sessionEvents(session: ExecSession, stdin: ByteSource | undefined): AsyncGenerator<ExecStreamEvent, void, void> {
  const decoder = new ChannelDecoder()
  try {
    // A source that fails ends the command: it waits for input that will not come.
    const piped = stdin === undefined ? Promise.resolve() : session.pipe(stdin)
    const failed = piped.then(
      () => new Promise<never>(() => undefined),
      (error: unknown) => {
        session.close()
        throw error
      },
    )
    failed.catch(() => undefined)
    yield { type: 'started', id: session.id, pid: session.pid }
    const output = session.output[Symbol.asyncIterator]()
    for (;;) {
      const next = await Promise.race([output.next(), failed])
      if (next.done) break
      const chunk = next.value
      if ('gap' in chunk) yield { type: 'gap', stream: chunk.channel, offset: chunk.offset }
      else yield decoder.output(chunk.channel, chunk.bytes)
    }
    yield { type: 'done', ...(await session.result) }
  } finally {
    session.close()
  }
}

/** Text of each channel by itself: a character may come in two pieces, with a piece of the other channel between them. */
class ChannelDecoder {
  readonly #decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() }

  output(stream: 'stdout' | 'stderr', bytes: Uint8Array): ExecStreamEvent {
    return { type: 'output', stream, data: this.#decoders[stream].decode(bytes, { stream: true }), bytes }
  }
}

type Fields = Readonly<Record<string, unknown>>

function started(fields: Fields): ExecStreamEvent {
  const { exec_id: id, pid, warnings } = fields
  const said = Array.isArray(warnings) ? { warnings: warnings.map(String) } : {}
  return { type: 'started', id: typeof id === 'string' ? id : '', ...(typeof pid === 'number' && { pid }), ...said }
}

function channelOf(fields: Fields): 'stdout' | 'stderr' {
  return fields['stream'] === 'stderr' ? 'stderr' : 'stdout'
}

function bytesOf(fields: Fields): Uint8Array {
  const { data, content, encoding } = fields
  const text = typeof data === 'string' ? data : content
  if (typeof text !== 'string') throw new StreamError('an output event without output')
  if (encoding !== 'base64') return new TextEncoder().encode(text)
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  } catch (cause) {
    throw new StreamError('an output event whose base64 is none', { cause })
  }
}

function endOf(fields: Fields): ExecEnd {
  const { exit_code, ended, signal, duration_ms } = fields
  if (typeof exit_code !== 'number') throw new StreamError('a command that is done without an exit code')
  return {
    exit_code,
    ended: typeof ended === 'string' ? (ended as ExecEnd['ended']) : 'exited',
    duration_ms: typeof duration_ms === 'number' ? duration_ms : 0,
    ...(typeof signal === 'number' && { signal }),
  }
}
