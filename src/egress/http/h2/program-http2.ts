import type { ResponseHead } from '../../types.ts'
import { wholeBody } from '../body.ts'
import { denialPage } from '../denial-page.ts'
import { BadMessage, endToEnd, type Headers, without } from '../head.ts'
import type { Asker, Body, Incoming } from '../message.ts'
import type { Pipe } from '../pipe.ts'
import type { ProgramSide } from '../program-http1.ts'
import { originTarget } from '../request-target.ts'
import { H2Connection } from './connection.ts'
import { contentOfStream, writeContent } from './content.ts'
import { fieldsOf, lengthOf, readFields } from './fields.ts'
import { CODE } from './frames.ts'
import type { H2Stream } from './stream.ts'

const STREAM_WINDOW = 256 * 1024
const CONNECTION_WINDOW = 1024 * 1024
const REQUEST_PSEUDO = [':method', ':scheme', ':authority', ':path']

/** Serves HTTP/2 to a program until the connection ends. Never rejects. */
export async function serveHttp2(pipe: Pipe, side: ProgramSide): Promise<void> {
  const { idleMs, headMs } = side.limits
  let timer = setTimeout(() => pipe.destroy(), headMs)
  const connection = new H2Connection(pipe, {
    streamWindow: STREAM_WINDOW,
    connectionWindow: CONNECTION_WINDOW,
    onRequest: async (stream, headers, isEnd) => {
      clearTimeout(timer)
      await serveOne(stream, headers, isEnd, side)
    },
  })
  connection.onIdle = () => {
    clearTimeout(timer)
    timer = setTimeout(() => connection.leave(), idleMs)
  }
  await connection.run()
  clearTimeout(timer)
}

async function serveOne(stream: H2Stream, headers: Headers, isEnd: boolean, side: ProgramSide): Promise<void> {
  const asker = new Http2Asker(stream)
  let request: Incoming
  try {
    request = incomingOf(stream, headers, isEnd, side, asker)
  } catch (error) {
    const known = error instanceof BadMessage ? error : new BadMessage(400, 'the request cannot be read')
    const denial = { status: known.status, reason: known.message }
    side.onBad(denial)
    const { head, body } = denialPage(denial)
    return void (await asker.answer(head, body))
  }
  await side.exchange(request, asker)
}

/** Throws BadMessage. */
function incomingOf(stream: H2Stream, all: Headers, isEnd: boolean, { target, scheme }: ProgramSide, asker: Http2Asker): Incoming {
  const { pseudo, headers } = readFields(all, REQUEST_PSEUDO, 400)
  const [method = '', path = '', authority] = [':method', ':path', ':authority'].map((name) => pseudo.get(name))
  if (method !== 'CONNECT' && pseudo.get(':scheme') !== scheme)
    throw new BadMessage(421, 'the target is of another scheme than the connection')
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/.test(method) || !/^[\x21-\x7e]{1,32768}$/.test(method === 'CONNECT' ? '*' : path)) {
    throw new BadMessage(400, 'the request line cannot be read')
  }
  if (method !== 'CONNECT' && !/^[/*]/.test(path)) throw new BadMessage(400, 'the target of the request cannot be read')
  const hosts = headers.filter(([name]) => name === 'host').map(([, value]) => value)
  const named = authority ?? hosts[0]
  if (named === undefined || hosts.some((host) => host.toLowerCase() !== named.toLowerCase())) {
    throw new BadMessage(400, 'a request has one host')
  }
  const parsed = { method, target: path, version: '1.1', headers: [['host', named]], framing: { kind: 'none' } } as const
  const origin = originTarget(parsed, target, scheme)
  const length = lengthOf(headers, 400)
  if (isEnd && (length ?? 0) > 0) throw new BadMessage(400, 'the content is shorter than Content-Length says')
  const expects = headers.some(([name, value]) => name === 'expect' && value.toLowerCase() === '100-continue')
  const content = contentOfStream(stream, length, 400)
  const body: Body = { bytes: length, content: expects ? asker.continued(content) : content }
  const wantsTrailers = headers.some(([name, value]) => name === 'te' && value.toLowerCase() === 'trailers')
  return {
    head: { method, target: origin, headers: without(endToEnd(headers), 'content-length') },
    body: isEnd ? (length === 0 ? wholeBody(new Uint8Array(0)) : undefined) : body,
    ...(wantsTrailers ? { wantsTrailers } : {}),
  }
}

/** The way back to the program for one request. */
class Http2Asker implements Asker {
  readonly #stream: H2Stream
  #isAnswered = false

  constructor(stream: H2Stream) {
    this.#stream = stream
  }

  set onGone(gone: (() => void) | undefined) {
    this.#stream.onLost = gone
    if (this.#stream.isLost) gone?.()
  }

  async answer(head: ResponseHead, body: Body | undefined): Promise<boolean> {
    if (this.#isAnswered) return false
    this.#isAnswered = true
    const stream = this.#stream
    const length: Headers = body?.bytes === undefined ? [] : [['content-length', `${body.bytes}`]]
    stream.headers([[':status', `${head.status}`], ...fieldsOf(head.headers), ...length], body === undefined)
    if (body === undefined) return !stream.isLost
    try {
      if (!(await writeContent(stream, body.whole === undefined ? body.content : [body.whole]))) return false
    } catch (error) {
      stream.reset(CODE.internal)
      throw error
    }
    const trailers = body.trailers?.() ?? []
    if (trailers.length > 0) stream.headers(fieldsOf(trailers), true)
    else stream.end()
    return !stream.isLost
  }

  /** Says that the content is wanted, once somebody does want it. */
  async *continued(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
    if (!this.#isAnswered) this.#stream.headers([[':status', '100']], false)
    yield* content
  }
}
