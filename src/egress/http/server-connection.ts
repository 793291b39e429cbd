import { DialError, type ResponseHead } from '../types.ts'
import { bodyOf, writeMessage } from './body.ts'
import { ByteReader, TooLarge } from './byte-reader.ts'
import {
  BadMessage,
  encodeHead,
  endToEnd,
  type Framing,
  type Headers,
  listOf,
  MOST_HEAD_BYTES,
  type ParsedResponse,
  parseResponse,
  responseFraming,
  without,
} from './head.ts'
import { AnswerLimit } from './answer-limit.ts'
import { type Answer, type Incoming, isIdempotent } from './message.ts'
import type { Pipe } from './pipe.ts'

/** The server closed a connection that had been idle, before it answered: the request may be sent again on another. */
export class StaleConnection extends Error {}

/** Heads that come before the one that counts. */
const MOST_INTERIM = 16

/** One connection to a server that speaks HTTP/1.1, for one request at a time. */
export class ServerConnection {
  readonly pipe: Pipe
  readonly #reader: ByteReader
  readonly #giveBack: (connection: ServerConnection) => void
  #isUsed = false

  /** `giveBack` gets the connection when an exchange on it has ended well. */
  constructor(pipe: Pipe, giveBack: (connection: ServerConnection) => void) {
    this.pipe = pipe
    this.#reader = new ByteReader(pipe)
    this.#giveBack = giveBack
  }

  /** Settles when the server closes the connection, or says something that nobody asked for. */
  async untilSpoiled(): Promise<void> {
    await this.#reader.peek()
  }

  /**
   * Sends a request and waits for the head of its answer. Throws what the request's body throws, BadMessage, DialError, and
   * StaleConnection, after which the same request can be sent elsewhere. Whatever it throws, the connection is done with.
   */
  async send(request: Incoming, limitMs: number): Promise<Answer> {
    const wasUsed = this.#isUsed
    this.#isUsed = true
    const sending = new Sending(this.pipe, request)
    let isLate = false
    const limit = new AnswerLimit(limitMs, sending.over, () => {
      isLate = true
      this.pipe.destroy()
    })
    try {
      const head = await this.#head(request)
      if (head === undefined) throw new DialError('unreachable', 'the server closed the connection without an answer')
      return this.#answer(head, request, sending)
    } catch (error) {
      this.pipe.destroy()
      if (sending.failure !== undefined) throw sending.failure
      if (isLate) throw new DialError('timed_out', 'the server did not answer in time')
      if (error instanceof BadMessage) throw error
      if (error instanceof TooLarge) throw new BadMessage(502, 'the head of the answer is too large')
      if (wasUsed && sending.canBeRepeated && !this.#reader.hasRest) throw new StaleConnection()
      throw error instanceof DialError ? error : new DialError('unreachable', 'the server broke off the connection')
    } finally {
      limit.stop()
    }
  }

  async #head({ upgrade }: Incoming): Promise<ParsedResponse | undefined> {
    for (let count = 0; count < MOST_INTERIM; count++) {
      const text = await this.#reader.head(MOST_HEAD_BYTES)
      if (text === undefined) return undefined
      const head = parseResponse(text)
      if (head.status >= 200 || (head.status === 101 && upgrade !== undefined)) return head
      if (head.status === 101) throw new BadMessage(502, 'the server changed the protocol, and nobody had asked for it')
    }
    throw new BadMessage(502, 'too many interim answers')
  }

  #answer(parsed: ParsedResponse, request: Incoming, sending: Sending): Answer {
    const { status } = parsed
    if (status === 101) return this.#upgraded(parsed)
    const framing = responseFraming(parsed, request.head.method)
    const isReusable = parsed.version === '1.1' && framing.kind !== 'close' && !listOf(parsed.headers, 'connection').includes('close')
    let isRead = framing.kind === 'none'
    const body = bodyOf(this.#reader, framing, 502, () => (isRead = true))
    const headers = endToEnd(parsed.headers)
    let isDone = false
    return {
      head: { status, headers: body === undefined ? headers : without(headers, 'content-length') },
      body,
      done: (isWhole) => {
        if (isDone) return
        isDone = true
        if (isWhole && isRead && isReusable && sending.isDone) this.#giveBack(this)
        else this.pipe.destroy()
      },
    }
  }

  #upgraded({ headers, status }: ParsedResponse): Answer {
    const head: ResponseHead = { status, headers: [...endToEnd(headers), ...upgradeHeaders(headers)] }
    const raw = {
      read: () => this.#reader.some(Number.MAX_SAFE_INTEGER),
      write: (bytes: Uint8Array) => this.pipe.write(bytes),
      end: () => this.pipe.end(),
      destroy: () => this.pipe.destroy(),
    }
    return { head, body: undefined, raw, done: () => this.pipe.destroy() }
  }
}

/** What makes a message one that changes the protocol. */
export function upgradeHeaders(headers: Headers): Headers {
  const upgrade = headers.filter(([name]) => name.toLowerCase() === 'upgrade')
  return upgrade.length === 0 ? [] : [['Connection', 'Upgrade'], ...upgrade]
}

/** A request that is being sent, while its answer may come already. */
class Sending {
  isDone = false
  /** Set when the body could not be had: the server has seen that it was cut off. */
  failure: unknown
  readonly canBeRepeated: boolean
  /** Never rejects. */
  readonly over: Promise<void>

  constructor(pipe: Pipe, { head, body, upgrade }: Incoming) {
    this.canBeRepeated = isIdempotent(head.method) && (body === undefined || body.whole !== undefined)
    const framing: Framing =
      body === undefined ? { kind: 'none' } : body.bytes === undefined ? { kind: 'chunked' } : { kind: 'length', bytes: body.bytes }
    const more: Headers = upgrade === undefined ? [] : upgradeHeaders([['Upgrade', upgrade]])
    const bytes = encodeHead(`${head.method} ${head.target} HTTP/1.1`, [...head.headers, ...framingHeaders(framing), ...more])
    this.over = this.#send(pipe, bytes, body, framing)
  }

  async #send(pipe: Pipe, bytes: Uint8Array, body: Incoming['body'], framing: Framing): Promise<void> {
    try {
      this.isDone = await writeMessage(bytes, body, framing, (each) => pipe.write(each))
    } catch (error) {
      this.failure = error
      pipe.destroy()
    }
  }
}

export function framingHeaders(framing: Framing): Headers {
  if (framing.kind === 'chunked') return [['Transfer-Encoding', 'chunked']]
  return framing.kind === 'length' ? [['Content-Length', `${framing.bytes}`]] : []
}
