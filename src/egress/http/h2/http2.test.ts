import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Subprocess } from 'bun'
import { certificateFor, HttpLab, type HttpLabOptions, sandboxAuthority, writeAuthority } from '../../../../test/support/http-lab.ts'
import { httpsServer, type TestServer } from '../../../../test/support/https-server.ts'
import { TlsProgram } from '../../../../test/support/tls-program.ts'
import { Secret } from '../../../lib/secret.ts'
import { createInjector } from '../../inject/injector.ts'
import { CODE, encodeFrame, encodeNumber, encodeSettings, FLAG, type Frame, FrameReader, PREFACE, TYPE } from './frames.ts'
import { encodeBlock } from './hpack.ts'

const NAME = 'api.example.test'
const folder = mkdtempSync(join(tmpdir(), 'ak-http2-'))
const ca = writeAuthority(join(folder, 'ca.pem'))
let node: Subprocess<'ignore', 'pipe', 'inherit'>
let old: TestServer
let port = 0
const open: (() => void)[] = []

beforeAll(async () => {
  const { cert, key } = certificateFor(NAME)
  const fixture = join(import.meta.dir, '../../../../test/fixtures/http2-server.cjs')
  node = Bun.spawn(['node', fixture], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
    env: { PATH: process.env['PATH'], CERT: cert, KEY: key },
  })
  for await (const bytes of node.stdout) {
    port = Number(Buffer.from(bytes).toString())
    break
  }
  old = await httpsServer(NAME, (request, response) => {
    if (request.url === '/echo') request.pipe(response)
    else response.end(`HTTP/${request.httpVersion} ${JSON.stringify(request.headers)}`)
  })
})
afterEach(() => {
  for (const close of open.splice(0)) close()
})
afterAll(() => {
  node.kill()
  old.close()
  rmSync(folder, { recursive: true })
})

function lab(options: Partial<HttpLabOptions> = {}): HttpLab {
  const made = new HttpLab({
    allow: ['*.example.test', 'GET https://api.example.test/*', 'POST https://api.example.test/*'],
    servers: { [`${NAME}:443`]: port },
    ...options,
  })
  open.push(() => made.close())
  return made
}

async function curl(door: number, path: string, ...args: readonly string[]): Promise<string> {
  const fixed = ['-s', '--max-time', '20', '--http2', '--cacert', ca, '--connect-to', `${NAME}:443:127.0.0.1:${door}`]
  const child = Bun.spawn(['curl', ...fixed, ...args, `https://${NAME}${path}`], { stdout: 'pipe' })
  return await new Response(child.stdout).text()
}

interface Call {
  readonly headers: http2.IncomingHttpHeaders
  readonly trailers: http2.IncomingHttpHeaders
  readonly text: string
}

function session(door: number): http2.ClientHttp2Session {
  const options = { ca: sandboxAuthority.cert, servername: NAME, checkServerIdentity: () => undefined }
  const made = http2.connect(`https://127.0.0.1:${door}`, options as http2.SecureClientSessionOptions)
  made.on('error', () => undefined)
  open.push(() => made.destroy())
  return made
}

function call(from: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders, body?: string): Promise<Call> {
  return new Promise((resolve, reject) => {
    const stream = from.request({ ':authority': NAME, ...headers }, { endStream: body === undefined })
    let text = ''
    let [got, trailers]: http2.IncomingHttpHeaders[] = [{}, {}]
    stream.on('response', (each) => (got = each))
    stream.on('trailers', (each) => (trailers = each))
    stream.on('data', (bytes: Buffer) => (text += bytes.toString()))
    stream.on('error', reject)
    stream.on('close', () => resolve({ headers: got!, trailers: trailers!, text }))
    if (body !== undefined) stream.end(body)
  })
}

describe('HTTP/2 on both sides', () => {
  test('passes calls of gRPC: both directions at once, and what comes at the end', async () => {
    const from = session(lab().door(NAME, 443))
    const stream = from.request({
      ':authority': NAME,
      ':method': 'POST',
      ':path': '/grpc',
      te: 'trailers',
      'content-type': 'application/grpc',
    })
    const said: string[] = []
    const trailers = new Promise<http2.IncomingHttpHeaders>((resolve) => stream.on('trailers', resolve))
    const ended = new Promise((resolve) => stream.on('close', resolve))
    let heard: (() => void) | undefined
    stream.on('data', (bytes: Buffer) => {
      said.push(bytes.toString())
      heard?.()
    })
    for (const message of ['one', 'two', 'three']) {
      const answered = new Promise<void>((resolve) => (heard = resolve))
      stream.write(message)
      await answered
    }
    stream.end()
    expect(await trailers).toMatchObject({ 'grpc-status': '0', 'grpc-message': 'fine' })
    await ended
    expect(said.join()).toBe('one,two,three')
  })

  test('passes an answer that is a head only', async () => {
    const { headers, text } = await call(session(lab().door(NAME, 443)), { ':path': '/trailers-only' })
    expect([headers['grpc-status'], text]).toEqual(['12', ''])
  })

  test('many requests share one connection', async () => {
    const one = lab()
    const from = session(one.door(NAME, 443))
    for (let round = 0; round < 5; round++) {
      const calls = await Promise.all(Array.from({ length: 90 }, (_, index) => call(from, { ':path': `/${index}` })))
      expect(calls.map(({ text }) => (JSON.parse(text) as Record<string, string>)[':path'])).toEqual(calls.map((_, index) => `/${index}`))
    }
    expect(one.dialed.length).toBeLessThan(6)
  }, 20_000)

  test.each(['/reset', '/lost'])('an answer that is cut off is seen as cut off: %s', async (path) => {
    const one = lab()
    expect(Number(await curl(one.door(NAME, 443), path, '-o', '/dev/null', '-w', '%{exitcode}'))).toBeGreaterThan(0)
    expect(one.recorder.events()[0]).toMatchObject({ verdict: 'failed', status: 200 })
  })

  test('a server that takes no more requests on a connection gets the next on another', async () => {
    const one = lab()
    const door = one.door(NAME, 443)
    expect(await curl(door, '/goaway')).toBe('the last')
    expect(await curl(door, '/goaway')).toBe('the last')
    expect(one.dialed).toHaveLength(2)
  })

  test('bodies of any size pass both ways at once', async () => {
    const file = join(folder, 'large')
    await Bun.write(file, Buffer.alloc(10_000_000, 'agentkernel '))
    const out = await curl(lab().door(NAME, 443), '/echo', '--data-binary', `@${file}`, '-o', join(folder, 'out'), '-w', '%{http_version}')
    expect(out).toBe('2')
    expect(Bun.hash(await Bun.file(join(folder, 'out')).bytes())).toBe(Bun.hash(await Bun.file(file).bytes()))
  })
})

describe('HTTP/2 to a server that speaks HTTP/1.1 only', () => {
  test('is translated', async () => {
    const one = lab({ servers: { [`${NAME}:443`]: old.port } })
    const from = session(one.door(NAME, 443))
    const { text } = await call(from, { ':path': '/a', cookie: ['a=1', 'b=2'], te: 'trailers' })
    expect(text).toBe(`HTTP/1.1 ${JSON.stringify({ host: NAME, cookie: 'a=1; b=2' })}`)
    expect((await call(from, { ':path': '/echo', ':method': 'POST' }, 'hello')).text).toBe('hello')
  })

  test('with a secret in it', async () => {
    const binding = { name: 'TOKEN', vaultKey: 'TOKEN', hosts: [NAME], how: 'header' } as const
    const injector = createInjector([{ binding, value: () => new Secret('sk-very-secret-value'), placeholder: 'ak-proxy-managed' }])
    const one = lab({ servers: { [`${NAME}:443`]: old.port }, gateway: { injector } })
    const { text } = await call(session(one.door(NAME, 443)), { ':path': '/' })
    expect(text).toContain('"authorization":"Bearer ak-proxy-managed"')
    expect(one.recorder.events()[0]?.secrets).toEqual(['TOKEN'])
  })
})

test('HTTP/2 without TLS passes as such', async () => {
  const server = http2.createServer((_request, response) => void response.end('plain'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  open.push(() => void server.close())
  const one = lab({ allow: ['*.example.test:50051'], servers: { [`${NAME}:50051`]: (server.address() as AddressInfo).port } })
  const door = one.door(NAME, 50_051)
  const args = ['-s', '--http2-prior-knowledge', '--connect-to', `${NAME}:50051:127.0.0.1:${door}`, '-w', ' %{http_version}']
  const child = Bun.spawn(['curl', ...args, `http://${NAME}:50051/`], { stdout: 'pipe' })
  expect(await new Response(child.stdout).text()).toBe('plain 2')
  expect(one.recorder.events()[0]).toMatchObject({ kind: 'http', verdict: 'allowed', status: 200 })
})

/** A program that speaks frames. */
class Frames {
  readonly #program: TlsProgram

  constructor(door: number) {
    this.#program = new TlsProgram(door, NAME, { ALPNProtocols: ['h2'] })
    this.#program.send(Buffer.concat([PREFACE, encodeSettings([])]))
  }

  send(...frames: readonly Uint8Array[]): void {
    this.#program.send(Buffer.concat(frames))
  }

  headers(stream: number, headers: Record<string, string>, flags: number = FLAG.endStream): Buffer {
    const all = { ':method': 'GET', ':scheme': 'https', ':authority': NAME, ':path': '/', ...headers }
    return encodeFrame(TYPE.headers, flags | FLAG.endHeaders, stream, encodeBlock(Object.entries(all).filter(([, value]) => value !== '')))
  }

  /** Everything that came until the connection ended, or until one frame is of this type. */
  async until(type?: number): Promise<Frame[]> {
    const frames = (): Frame[] => new FrameReader().push(Buffer.from(this.#program.text, 'latin1'))
    await this.#program.until(() => type !== undefined && frames().some((frame) => frame.type === type))
    this.#program.leave()
    return frames()
  }
}

describe('a program that breaks the rules of HTTP/2', () => {
  const bad: readonly (readonly [string, (program: Frames) => readonly Uint8Array[], number])[] = [
    ['content of no stream', () => [encodeFrame(TYPE.data, 0, 0, Buffer.from('x'))], CODE.protocol],
    ['content of a stream that never was', () => [encodeFrame(TYPE.data, 0, 5, Buffer.from('x'))], CODE.protocol],
    ['a stream with an even number', (program) => [program.headers(2, {})], CODE.protocol],
    [
      'headers that cannot be read',
      () => [encodeFrame(TYPE.headers, FLAG.endHeaders, 1, Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff))],
      CODE.compression,
    ],
    ['a frame within headers', () => [encodeFrame(TYPE.headers, 0, 1), encodeFrame(TYPE.ping, 0, 0, Buffer.alloc(8))], CODE.protocol],
    [
      'headers without end',
      () =>
        Array.from({ length: 60 }, (_, index) => encodeFrame(index === 0 ? TYPE.headers : TYPE.continuation, 0, 1, Buffer.alloc(2_000))),
      CODE.enhanceYourCalm,
    ],
    ['a push', () => [encodeFrame(TYPE.pushPromise, FLAG.endHeaders, 1, Buffer.alloc(4))], CODE.protocol],
    ['settings of a wrong size', () => [encodeFrame(TYPE.settings, 0, 0, Buffer.alloc(5))], CODE.frameSize],
    ['a window that is too large', () => [encodeNumber(TYPE.windowUpdate, 0, 0x7fffffff)], CODE.flowControl],
    ['a window update of nothing', () => [encodeNumber(TYPE.windowUpdate, 0, 0)], CODE.flowControl],
    ['more padding than content', () => [encodeFrame(TYPE.data, FLAG.padded, 1, Buffer.of(9, 0))], CODE.protocol],
    ['a frame that is too large', () => [Buffer.concat([Buffer.of(0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1)])], CODE.frameSize],
    [
      'a flood of pings',
      () => Array.from({ length: 6_000 }, () => encodeFrame(TYPE.ping, FLAG.ack, 0, Buffer.alloc(8))),
      CODE.enhanceYourCalm,
    ],
    ['a flood of settings', () => Array.from({ length: 3_000 }, () => encodeSettings([])), CODE.enhanceYourCalm],
    [
      'a flood of resets',
      (program) =>
        Array.from({ length: 2_000 }, (_, index) => [
          program.headers(2 * index + 1, {}),
          encodeNumber(TYPE.rstStream, 2 * index + 1, CODE.cancel),
        ]).flat(),
      CODE.enhanceYourCalm,
    ],
  ]
  test.each(bad)('%s ends the connection', async (_name, frames, code) => {
    const one = lab()
    const program = new Frames(one.door(NAME, 443))
    program.send(...frames(program))
    const farewell = (await program.until()).find(({ type }) => type === TYPE.goAway)
    expect(farewell?.payload.readUInt32BE(4)).toBe(code)
  })

  test.each([
    ['another authority', { ':authority': 'evil.example.test' }, '421'],
    ['a host of another name', { host: 'evil.example.test' }, '400'],
    ['another scheme', { ':scheme': 'http' }, '421'],
    ['no authority', { ':authority': '' }, '400'],
    ['an absolute target', { ':path': `https://${NAME}/` }, '400'],
    ['TRACE', { ':method': 'TRACE' }, '405'],
    ['CONNECT', { ':method': 'CONNECT', ':scheme': '', ':path': '' }, '405'],
    ['a line break in a header', { 'x-a': 'b\r\nX-Injected: 1' }, '400'],
    ['a coding', { 'transfer-encoding': 'chunked' }, '400'],
    ['a length without content', { 'content-length': '5' }, '400'],
  ])('%s is refused and does not leave', async (_name, headers, status) => {
    const one = lab()
    const from = session(one.door(NAME, 443))
    open.push(() => from.destroy())
    const program = new Frames(one.door(NAME, 443))
    program.send(program.headers(1, headers as Record<string, string>))
    const frames = await program.until(TYPE.headers)
    const first = frames.find(({ type }) => type === TYPE.headers)!
    const { HpackDecoder } = await import('./hpack.ts')
    expect(new HpackDecoder().decode(first.payload)[0]).toEqual([':status', status])
    expect(one.dialed).toEqual([])
    expect(one.recorder.events()[0]).toMatchObject({ verdict: 'denied', status: Number(status) })
  })

  test('content that is not as long as it says does not become another request', async () => {
    const one = lab({ servers: { [`${NAME}:443`]: old.port } })
    for (const content of ['x', 'x'.repeat(20)]) {
      const program = new Frames(one.door(NAME, 443))
      program.send(
        program.headers(1, { ':method': 'POST', ':path': '/echo', 'content-length': '5' }, 0),
        encodeFrame(TYPE.data, FLAG.endStream, 1, Buffer.from(content)),
      )
      await program.until(TYPE.headers)
    }
    expect(one.recorder.events().map(({ verdict, status }) => [verdict, status])).toEqual([
      ['denied', 400],
      ['denied', 400],
    ])
  })
})
