import { ignore } from '../../lib/ignore.ts'
import { DialError, type ResponseHead, type Verdict } from '../types.ts'
import { readBody, writeBody } from './body.ts'
import { type ByteReader, CutOff, TooLarge } from './byte-reader.ts'
import { denialPage, reasonOf } from './denial-page.ts'
import { type Asked, BodyBlocked, decide, type Exchange, type ExchangeDeps, about, reasonFor } from './exchange.ts'
import {
  BadMessage,
  encodeHead,
  endToEnd,
  type Framing,
  type Headers,
  listOf,
  MOST_HEAD_BYTES,
  parseRequest,
  type ParsedRequest,
  type ParsedResponse,
  parseResponse,
  responseFraming,
  valuesOf,
  without,
} from './head.ts'
import type { Outside, ServerConnection } from './outside.ts'
import type { Pipe } from './pipe.ts'
import { hostHeader, originTarget } from './request-target.ts'

/** How long a program may be silent between two requests, and both sides within one, in ms. A model may think for minutes. */
const IDLE_LIMIT_MS = 65_000
const SILENCE_LIMIT_MS = 10 * 60_000
const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')

export interface Http1Deps extends ExchangeDeps {
  readonly outside: Outside
}

/** A program's connection that speaks HTTP/1, until it ends. Never rejects. */
export async function serveHttp1(deps: Http1Deps, client: Pipe, reader: ByteReader, asked: Asked, verdict: Verdict): Promise<void> {
  try {
    while (await serveOne(deps, { client, reader, asked, verdict }));
    client.end()
  } catch (error) {
    ignore(error, 'the connection is gone, or was broken off because of what came on it')
    client.destroy()
  }
}

interface Client {
  readonly client: Pipe
  readonly reader: ByteReader
  readonly asked: Asked
  readonly verdict: Verdict
}

/** One request. False: the connection is not to be used again. */
async function serveOne(deps: Http1Deps, from: Client): Promise<boolean> {
  const { client, reader, asked, verdict } = from
  let request: ParsedRequest
  let target: string
  try {
    const text = await withLimit(reader.head(MOST_HEAD_BYTES), IDLE_LIMIT_MS, () => client.destroy())
    if (text === undefined) return false
    request = parseRequest(text)
    target = verdict.allowed ? originTarget(request, asked.target, asked.scheme) : request.target
  } catch (error) {
    return await refuse(deps, from, error)
  }
  const accept = valuesOf(request.headers, 'accept')[0]
  const told = accept === undefined ? {} : { accept }
  // The gateway has recorded it.
  if (!verdict.allowed) return await answer(client, denialPage({ status: 403, ...verdict, ...told }), request.method)
  const decision = decide(deps, asked, { method: request.method, target, headers: endToEnd(request.headers) })
  if (decision.kind === 'denied') return await answer(client, denialPage({ ...decision, ...told }), request.method)
  return await pass(deps, from, request, decision.exchange)
}

/** What cannot be read, or is for somebody else, is answered and ends the connection. */
async function refuse(deps: Http1Deps, { client, asked, verdict }: Client, error: unknown): Promise<false> {
  const bad = error instanceof TooLarge ? new BadMessage(431, 'the head of the request is too large') : error
  if (!(bad instanceof BadMessage)) throw error
  if (verdict.allowed) {
    const seen = about(asked, { method: 'UNKNOWN', target: '/', headers: [] })
    deps.doors.record({ ...seen, verdict: 'denied', status: bad.status, reason: bad.message })
  }
  return await answer(client, denialPage({ status: bad.status, reason: bad.message }), 'GET')
}

/** An answer of our own; the connection ends with it, because the request's body has not been read. */
async function answer(client: Pipe, page: ReturnType<typeof denialPage>, method: string): Promise<false> {
  const head = encodeHead(`HTTP/1.1 ${page.status} ${reasonOf(page.status)}`, [...page.headers, ['Connection', 'close']])
  await client.write(method === 'HEAD' ? head : Buffer.concat([head, page.body]))
  return false
}

async function pass(deps: Http1Deps, from: Client, request: ParsedRequest, exchange: Exchange): Promise<boolean> {
  const { client, asked } = from
  const accept = valuesOf(request.headers, 'accept')[0]
  try {
    const answered = await reach(deps, from, request, exchange)
    if (answered === 'done') {
      exchange.end()
      return true
    }
    exchange.end(answered === 'over' ? undefined : answered)
    return false
  } catch (error) {
    exchange.end(error)
    if (!(error instanceof Unanswered)) throw error
    const { cause } = error
    const status = cause instanceof DialError && cause.code === 'timed_out' ? 504 : cause instanceof BodyBlocked ? 403 : 502
    const told = accept === undefined ? {} : { accept }
    const reason = cause instanceof BadMessage ? cause.message : `${asked.target.host}: ${reasonFor(cause)}`
    return await answer(client, denialPage({ status, reason, ...told }), request.method)
  }
}

/** It failed before anything of an answer was sent. */
class Unanswered extends Error {}

async function reach(deps: Http1Deps, from: Client, request: ParsedRequest, exchange: Exchange): Promise<'done' | 'over'> {
  const { asked } = from
  let server: ServerConnection
  try {
    server = await deps.outside.get(asked.target, asked.scheme)
  } catch (cause) {
    throw new Unanswered('no connection', { cause })
  }
  try {
    return await talk(deps, from, request, exchange, server)
  } catch (cause) {
    server.pipe.destroy()
    // A server may close a connection that is kept open; a request that it has not begun to answer is sent again, if that is all there is of it.
    const again = server.isUsed && request.framing.kind === 'none' && cause instanceof Unanswered && cause.cause instanceof CutOff
    if (!again) throw cause
  }
  let second: ServerConnection
  try {
    second = await deps.outside.get(asked.target, asked.scheme, true)
  } catch (cause) {
    throw new Unanswered('no connection', { cause })
  }
  try {
    return await talk(deps, from, request, exchange, second)
  } catch (error) {
    second.pipe.destroy()
    throw error
  }
}

/** Sends the request and passes the answer on, at the same time: a server may answer before it has read everything. */
async function talk(
  deps: Http1Deps,
  { client, reader, asked }: Client,
  request: ParsedRequest,
  exchange: Exchange,
  server: ServerConnection,
): Promise<'done' | 'over'> {
  const isUpgrade = wantsWebSocket(request)
  const silence = silenceLimit(server.pipe, client)
  const sending = send({ client, reader, asked }, request, exchange, server, isUpgrade)
  sending.catch((error: unknown) => {
    ignore(error, 'told below')
    // Whoever waits for an answer to half a request waits no more.
    server.pipe.destroy()
  })
  try {
    const response = await responseHead(server, sending, client)
    if (response.status === 101) return isUpgrade ? await switched({ client, reader }, server, exchange, response) : never101()
    const framing = responseFraming(response, request.method)
    const changed = exchange.response({ status: response.status, headers: endToEnd(response.headers) })
    const closing = request.version === '1.0' || listOf(request.headers, 'connection').includes('close')
    const shape = shapeOf(framing, changed.filter?.changesLength === true, request)
    await client.write(clientHead(response, changed.head, shape, closing))
    const body = exchange.responseBody(readBody(server.reader, framing, 502), changed.filter)
    const ticking = ticked(body, silence.tick)
    if (!(await writeBody(ticking, shape, (bytes) => client.write(bytes)))) throw new CutOff('the program left')
    const reusable = framing.kind !== 'close' && response.version === '1.1' && !listOf(response.headers, 'connection').includes('close')
    if (!(await sentAll(sending))) return 'over'
    if (reusable) deps.outside.give(asked.target, asked.scheme, server)
    else server.pipe.destroy()
    return closing || shape.kind === 'close' ? 'over' : 'done'
  } finally {
    silence.stop()
  }
}

function never101(): never {
  throw new Unanswered('switched', { cause: new BadMessage(502, 'the server switched to a protocol that nobody asked for') })
}

async function send(
  { client, reader, asked }: Pick<Client, 'client' | 'reader' | 'asked'>,
  request: ParsedRequest,
  exchange: Exchange,
  { pipe }: ServerConnection,
  isUpgrade: boolean,
): Promise<void> {
  const { head } = exchange
  const framing: Framing = request.framing.kind === 'length' && exchange.changesLength ? { kind: 'chunked' } : request.framing
  const headers: Headers = [
    ['Host', hostHeader(asked.target, asked.scheme)],
    ...without(head.headers, 'host', 'content-length', 'expect'),
    ...framingHeader(framing),
    ...(isUpgrade
      ? ([
          ['Connection', 'Upgrade'],
          ['Upgrade', 'websocket'],
        ] as const)
      : []),
  ]
  await pipe.write(encodeHead(`${head.method} ${head.target} HTTP/1.1`, headers))
  if (request.framing.kind === 'none') return
  if (listOf(request.headers, 'expect').includes('100-continue')) await client.write(CONTINUE)
  const body = exchange.requestBody(readBody(reader, request.framing, 400))
  await writeBody(body, framing, (bytes) => pipe.write(bytes))
}

function framingHeader(framing: Framing): Headers {
  if (framing.kind === 'length') return [['Content-Length', `${framing.bytes}`]]
  return framing.kind === 'chunked' ? [['Transfer-Encoding', 'chunked']] : []
}

/** The answer's own head; what comes before it (1xx) is passed on, except the one that we gave ourselves. */
async function responseHead({ reader }: ServerConnection, sending: Promise<void>, client: Pipe): Promise<ParsedResponse> {
  for (;;) {
    let response: ParsedResponse
    try {
      const text = await Promise.race([reader.head(MOST_HEAD_BYTES), failureOf(sending)])
      if (text === undefined) throw new CutOff('the server left without an answer')
      response = parseResponse(text)
    } catch (cause) {
      const blocked = await blockedBody(sending, cause)
      throw new Unanswered('no answer', {
        cause: blocked ?? (cause instanceof TooLarge ? new BadMessage(502, 'the head of the answer is too large') : cause),
      })
    }
    if (response.status >= 200 || response.status === 101) return response
    if (response.status !== 100)
      await client.write(encodeHead(`HTTP/1.1 ${response.status} ${response.reason}`, endToEnd(response.headers)))
  }
}

/** Only ever rejects. */
function failureOf(sending: Promise<void>): Promise<never> {
  return new Promise((_, reject) => void sending.catch(reject))
}

/** Sending was what failed, because of what was in the body: that is the reason to tell. */
async function blockedBody(sending: Promise<void>, cause: unknown): Promise<unknown> {
  if (cause instanceof BodyBlocked) return cause
  return await Promise.race([
    sending.then(
      () => undefined,
      (error: unknown) => (error instanceof BodyBlocked ? error : undefined),
    ),
    Promise.resolve(undefined),
  ])
}

/** The request may still be on its way when its answer is complete: then both connections end with it. */
async function sentAll(sending: Promise<void>): Promise<boolean> {
  return await Promise.race([
    sending.then(
      () => true,
      () => false,
    ),
    new Promise<false>((resolve) => setTimeout(resolve, 0, false)),
  ])
}

/** How the answer's body is sent to the program. */
function shapeOf(framing: Framing, changesLength: boolean, request: ParsedRequest): Framing {
  if (framing.kind === 'none') return framing
  if (framing.kind === 'length' && !changesLength) return framing
  return request.version === '1.0' ? { kind: 'close' } : { kind: 'chunked' }
}

function clientHead(response: ParsedResponse, head: ResponseHead, shape: Framing, closing: boolean): Uint8Array {
  // An answer without a body may still tell how long one would be.
  const headers = shape.kind === 'none' ? head.headers : without(head.headers, 'content-length')
  const connection: Headers = closing || shape.kind === 'close' ? [['Connection', 'close']] : []
  return encodeHead(`HTTP/1.1 ${head.status} ${response.reason}`, [...headers, ...framingHeader(shape), ...connection])
}

function wantsWebSocket({ headers, method, version }: ParsedRequest): boolean {
  return (
    method === 'GET' &&
    version === '1.1' &&
    listOf(headers, 'connection').includes('upgrade') &&
    listOf(headers, 'upgrade').includes('websocket')
  )
}

/** From here on it is no HTTP any more: bytes pass both ways until either side ends. */
async function switched(
  { client, reader }: Pick<Client, 'client' | 'reader'>,
  server: ServerConnection,
  exchange: Exchange,
  response: ParsedResponse,
): Promise<'over'> {
  const { head } = exchange.response({ status: 101, headers: endToEnd(response.headers) })
  const upgrade: Headers = [
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
  ]
  await client.write(encodeHead(`HTTP/1.1 101 ${response.reason}`, [...head.headers, ...upgrade]))
  const copy = async (from: ByteReader, to: Pipe): Promise<void> => {
    for (let bytes = await from.some(65_536); bytes !== undefined; bytes = await from.some(65_536)) if (!(await to.write(bytes))) break
    to.end()
  }
  const both = [copy(reader, server.pipe), copy(server.reader, client)]
  try {
    await Promise.all(both)
  } finally {
    server.pipe.destroy()
    client.destroy()
  }
  return 'over'
}

async function* ticked(body: AsyncIterable<Uint8Array>, tick: () => void): AsyncGenerator<Uint8Array, void> {
  for await (const piece of body) {
    tick()
    yield piece
  }
}

/** Ends both connections when nothing passes for too long. */
function silenceLimit(...pipes: readonly Pipe[]): { readonly tick: () => void; readonly stop: () => void } {
  const timer = setTimeout(() => pipes.forEach((pipe) => pipe.destroy()), SILENCE_LIMIT_MS)
  timer.unref()
  return { tick: () => void timer.refresh(), stop: () => clearTimeout(timer) }
}

async function withLimit<T>(work: Promise<T>, limitMs: number, late: () => void): Promise<T> {
  const timer = setTimeout(late, limitMs)
  try {
    return await work
  } finally {
    clearTimeout(timer)
  }
}
