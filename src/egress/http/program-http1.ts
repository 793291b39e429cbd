import { ignore } from '../../lib/ignore.ts'
import type { ResponseHead, Target } from '../types.ts'
import { bodyOf, writeMessage } from './body.ts'
import { ByteReader, TooLarge } from './byte-reader.ts'
import { type Denial, denialPage } from './denial-page.ts'
import {
  BadMessage,
  encodeHead,
  endToEnd,
  type Framing,
  listOf,
  MOST_HEAD_BYTES,
  type ParsedRequest,
  parseRequest,
  valuesOf,
  without,
} from './head.ts'
import { leave } from './leave.ts'
import type { Asker, Body, Incoming, Raw } from './message.ts'
import type { Pipe } from './pipe.ts'
import { passRaw } from './raw.ts'
import { originTarget } from './request-target.ts'
import { framingHeaders } from './server-connection.ts'

export interface ProgramLimits {
  /** How long a connection may wait for its next request, in ms. */
  readonly idleMs: number
  /** How long the head of a request may take, in ms. */
  readonly headMs: number
}

export interface ProgramSide {
  readonly target: Target
  readonly scheme: 'http' | 'https'
  readonly limits: ProgramLimits
  /** Answers one request. Never rejects. */
  readonly exchange: (request: Incoming, asker: Asker) => Promise<void>
  /** A request that cannot be one. */
  readonly onBad: (denial: Denial, method?: string) => void
}

const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')

/** Serves HTTP/1 to a program: one request after the other, until one side has had enough. Never rejects. */
export async function serveHttp1(pipe: Pipe, side: ProgramSide): Promise<void> {
  const reader = new ByteReader(pipe)
  let asker: Http1Asker | undefined
  void pipe.closed.then(() => asker?.gone())
  try {
    for (;;) {
      const text = await nextHead(pipe, reader, side.limits)
      if (text === undefined) break
      const request = parseRequest(text)
      asker = new Http1Asker(pipe, reader, request, side.scheme === 'https')
      asker.watch()
      await side.exchange(incomingOf(request, side, asker), asker)
      if (!asker.keepsOpen) break
    }
  } catch (error) {
    await refuse(pipe, side, error)
  }
  if (asker?.isBroken === true) return pipe.destroy()
  await leave(pipe, () => reader.some(Number.MAX_SAFE_INTEGER))
}

async function nextHead(pipe: Pipe, reader: ByteReader, { idleMs, headMs }: ProgramLimits): Promise<string | undefined> {
  // Between requests nothing is owed to the program; in the middle of a head it would be late for an answer as well.
  let timer = setTimeout(() => pipe.destroy(), idleMs)
  try {
    await reader.peek()
    clearTimeout(timer)
    timer = setTimeout(() => pipe.destroy(), headMs)
    return await reader.head(MOST_HEAD_BYTES)
  } finally {
    clearTimeout(timer)
  }
}

function incomingOf(request: ParsedRequest, { target, scheme }: ProgramSide, asker: Http1Asker): Incoming {
  const path = originTarget(request, target, scheme)
  const headers = without(endToEnd(request.headers), 'content-length')
  const upgrade = wantsWebSocket(request) ? valuesOf(request.headers, 'upgrade')[0] : undefined
  const head = { method: request.method, target: path, headers }
  return { head, body: asker.body, ...(upgrade === undefined ? {} : { upgrade }) }
}

/** Of other protocols nothing is known, so that nobody is asked for them. */
function wantsWebSocket({ headers, method, framing }: ParsedRequest): boolean {
  const isAsked = listOf(headers, 'connection').includes('upgrade') && listOf(headers, 'upgrade').join() === 'websocket'
  return isAsked && method === 'GET' && framing.kind === 'none'
}

async function refuse(pipe: Pipe, side: ProgramSide, error: unknown): Promise<void> {
  const known = error instanceof TooLarge ? new BadMessage(431, `a head has more than ${MOST_HEAD_BYTES} bytes`) : error
  if (!(known instanceof BadMessage)) return ignore(error, 'the program is gone')
  const denial: Denial = { status: known.status, reason: known.message }
  side.onBad(denial)
  const { head, body } = denialPage(denial)
  const headers = [...head.headers, ...framingHeaders({ kind: 'length', bytes: body.bytes ?? 0 }), ['Connection', 'close'] as const]
  await writeMessage(encodeHead(statusLine(head.status), headers), body, { kind: 'length', bytes: 0 }, (bytes) => pipe.write(bytes))
}

/** One request that came over HTTP/1, and the way back to its program. */
class Http1Asker implements Asker {
  readonly body: Body | undefined
  /** The next request can be read. */
  keepsOpen = false
  /** An answer was cut off, and the program must see that. */
  isBroken = false
  readonly #pipe: Pipe
  readonly #reader: ByteReader
  readonly #request: ParsedRequest
  readonly #isTls: boolean
  #isBodyRead: boolean
  #isAnswered = false
  #isGone = false
  #onGone: (() => void) | undefined

  constructor(pipe: Pipe, reader: ByteReader, request: ParsedRequest, isTls: boolean) {
    this.#isTls = isTls
    this.#pipe = pipe
    this.#reader = reader
    this.#request = request
    this.#isBodyRead = request.framing.kind === 'none'
    const body = bodyOf(reader, request.framing, 400, () => this.#bodyWasRead())
    this.body = body !== undefined && this.#mustSayContinue() ? { ...body, content: this.#continued(body.content) } : body
  }

  set onGone(onGone: (() => void) | undefined) {
    this.#onGone = onGone
    if (this.#isGone) onGone?.()
  }

  /** For the connection: it is no more. */
  gone(): void {
    this.#isGone = true
    this.#onGone?.()
  }

  async answer(head: ResponseHead, body: Body | undefined): Promise<boolean> {
    if (this.#isAnswered) return false
    this.#isAnswered = true
    const framing = this.#framing(body)
    const keepsOpen = this.#isBodyRead && framing.kind !== 'close' && this.#programKeepsOpen()
    const connection = keepsOpen
      ? this.#request.version === '1.0'
        ? [['Connection', 'keep-alive'] as const]
        : []
      : [['Connection', 'close'] as const]
    const bytes = encodeHead(statusLine(head.status), [...head.headers, ...framingHeaders(framing), ...connection])
    try {
      const isSent = await writeMessage(bytes, body, framing, (each) => this.#pipe.write(each))
      this.keepsOpen = keepsOpen && isSent
      this.isBroken = !isSent
      return isSent
    } catch (error) {
      this.isBroken = true
      throw error
    }
  }

  #bodyWasRead(): void {
    this.#isBodyRead = true
    this.watch()
  }

  /** Nobody ends only one side of TLS: a program that sends no more is gone. Without TLS some do, and still wait for their answer. */
  watch(): void {
    if (!this.#isBodyRead || !this.#isTls) return
    void this.#reader.peek().then((isThere) => (isThere ? undefined : this.gone()))
  }

  async upgrade(head: ResponseHead, other: Raw): Promise<void> {
    this.#isAnswered = true
    this.isBroken = true
    if (!(await this.#pipe.write(encodeHead(statusLine(101), head.headers)))) return
    const own: Raw = {
      read: () => this.#reader.some(Number.MAX_SAFE_INTEGER),
      write: (bytes) => this.#pipe.write(bytes),
      end: () => this.#pipe.end(),
      destroy: () => this.#pipe.destroy(),
    }
    this.isBroken = !(await passRaw(own, other))
  }

  #framing(body: Body | undefined): Framing {
    if (body === undefined) return { kind: 'none' }
    if (body.bytes !== undefined) return { kind: 'length', bytes: body.bytes }
    return this.#request.version === '1.1' ? { kind: 'chunked' } : { kind: 'close' }
  }

  #programKeepsOpen(): boolean {
    const words = listOf(this.#request.headers, 'connection')
    return this.#request.version === '1.1' ? !words.includes('close') : words.includes('keep-alive')
  }

  #mustSayContinue(): boolean {
    return this.#request.version === '1.1' && listOf(this.#request.headers, 'expect').includes('100-continue')
  }

  /** Asked for only when somebody wants it: a refused request is never sent. */
  async *#continued(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    if (!this.#isAnswered && !this.#reader.hasRest) await this.#pipe.write(CONTINUE)
    yield* content
  }
}

/** Reasons say nothing that programs may rely on. */
const statusLine = (status: number): string => `HTTP/1.1 ${status} ${REASONS[status] ?? ''}`
const REASONS: Readonly<Record<number, string>> = {
  101: 'Switching Protocols',
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No Content',
  206: 'Partial Content',
  301: 'Moved Permanently',
  302: 'Found',
  304: 'Not Modified',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  421: 'Misdirected Request',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
}
