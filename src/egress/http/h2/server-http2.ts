import { DialError, type Target } from '../../types.ts'
import { BadMessage, endToEnd, type Headers, without } from '../head.ts'
import { AnswerLimit } from '../answer-limit.ts'
import type { Answer, Body, Incoming } from '../message.ts'
import type { Pipe } from '../pipe.ts'
import { hostHeader } from '../request-target.ts'
import { StaleConnection } from '../server-connection.ts'
import { H2Connection } from './connection.ts'
import { contentOfStream, writeContent } from './content.ts'
import { fieldsOf, lengthOf, readFields } from './fields.ts'
import { type H2Stream, type StreamHead, StreamLost } from './stream.ts'

const STREAM_WINDOW = 1024 * 1024
const CONNECTION_WINDOW = 4 * 1024 * 1024

/** A connection to a server that speaks HTTP/2, for many requests at a time. */
export class Http2Server {
  readonly #connection: H2Connection
  readonly #target: Target
  readonly #scheme: 'http' | 'https'

  constructor(pipe: Pipe, target: Target, scheme: 'http' | 'https', onIdle: () => void) {
    this.#connection = new H2Connection(pipe, { streamWindow: STREAM_WINDOW, connectionWindow: CONNECTION_WINDOW })
    this.#connection.onIdle = onIdle
    this.#target = target
    this.#scheme = scheme
  }

  /** Resolves when the connection is over. */
  run(): Promise<void> {
    return this.#connection.run()
  }

  get isUsable(): boolean {
    return this.#connection.isUsable
  }

  get isIdle(): boolean {
    return this.#connection.streams === 0
  }

  leave(): void {
    this.#connection.leave()
  }

  destroy(): void {
    this.#connection.destroy()
  }

  /** As `ServerConnection.send`; only when `isUsable`. `onStream` is told what breaks it off. */
  async send(request: Incoming, limitMs: number, onStream: (cancel: () => void) => void): Promise<Answer> {
    const { body } = request
    const stream = this.#connection.request(this.#fields(request), body === undefined)
    onStream(() => stream.reset())
    const sending = new Sending(stream, request)
    let isLate = false
    const limit = new AnswerLimit(limitMs, sending.over, () => {
      isLate = true
      stream.reset()
    })
    try {
      return answerOf(await stream.head, stream)
    } catch (error) {
      stream.reset()
      stream.discard()
      if (sending.failure !== undefined) throw sending.failure
      if (isLate) throw new DialError('timed_out', 'the server did not answer in time')
      if (error instanceof StreamLost && error.isUntouched && (body === undefined || body.whole !== undefined)) throw new StaleConnection()
      if (error instanceof BadMessage) throw error
      throw new DialError('unreachable', 'the server broke off the exchange')
    } finally {
      limit.stop()
    }
  }

  #fields({ head, body, wantsTrailers = false }: Incoming): Headers {
    return [
      [':method', head.method],
      [':scheme', this.#scheme],
      [':authority', hostHeader(this.#target, this.#scheme)],
      [':path', head.target],
      ...fieldsOf(without(head.headers, 'host')),
      ...(body?.bytes === undefined ? [] : [['content-length', `${body.bytes}`] as const]),
      ...(wantsTrailers ? [['te', 'trailers'] as const] : []),
    ]
  }
}

/** Throws BadMessage. */
function answerOf({ headers: all, isEnd }: StreamHead, stream: H2Stream): Answer {
  const { pseudo, headers } = readFields(all, [':status'], 502)
  const status = pseudo.get(':status') ?? ''
  if (!/^[2-5]\d\d$/.test(status)) throw new BadMessage(502, 'the status of the answer cannot be read')
  const length = isEnd ? undefined : lengthOf(headers, 502)
  const kept = endToEnd(headers)
  let trailers: Headers | undefined
  return {
    head: { status: Number(status), headers: isEnd ? kept : without(kept, 'content-length') },
    body: isEnd
      ? undefined
      : {
          bytes: length,
          content: contentOfStream(stream, length, 502),
          trailers: () => (trailers ??= readFields(stream.trailers, [], 502).headers),
        },
    done: () => {
      stream.reset()
      stream.discard()
    },
  }
}

/** A request's content on its way. */
class Sending {
  failure: unknown
  /** Never rejects. */
  readonly over: Promise<void>

  constructor(stream: H2Stream, { body }: Incoming) {
    this.over = body === undefined ? Promise.resolve() : this.#send(stream, body)
  }

  async #send(stream: H2Stream, body: Body): Promise<void> {
    try {
      if (await writeContent(stream, body.whole === undefined ? body.content : [body.whole])) stream.end()
    } catch (error) {
      this.failure = error
      stream.reset()
    }
  }
}
