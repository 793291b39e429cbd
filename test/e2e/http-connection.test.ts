import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { isAppError } from '../../src/contract/errors.ts'
import { ApiKeys } from '../../src/http/auth.ts'
import { serveTcp } from '../../src/http/listeners.ts'
import { selfSigned } from '../../src/lib/self-signed.ts'
import { HttpWorld } from './http-kit.ts'
import { within } from './kit.ts'

const KEY = 'sk-test-1'
const auth = { authorization: `Bearer ${KEY}` }

let open: HttpWorld
let keyed: HttpWorld
beforeAll(() => {
  open = new HttpWorld()
  keyed = new HttpWorld({ keys: [KEY] })
})
afterAll(async () => {
  await Promise.all([open.stop(), keyed.stop()])
})

describe('a client that is slow or broken', () => {
  test('does not keep a body open for ever', async () => {
    const world = new HttpWorld({ deps: { limits: { jsonMs: 50 } } })
    try {
      const said = await world.raw('POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"command":')
      expect(said).toStartWith('HTTP/1.1 504 ')
      expect(said).toContain('"code":"timed_out"')
      expect(said.toLowerCase()).toContain('connection: close')
    } finally {
      await world.stop()
    }
  })

  test('does not keep a connection open with headers that never end', async () => {
    const world = new HttpWorld({ tcp: { idleSeconds: 1 } })
    const socket = connect({ host: '127.0.0.1', port: world.tcp.port ?? 0 })
    socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n')
    const trickle = setInterval(() => socket.write('X'), 100)
    try {
      await within(new Promise<void>((resolve) => socket.once('close', () => resolve())), 'the server to hang up', 20_000)
    } finally {
      clearInterval(trickle)
      socket.destroy()
      await world.stop()
    }
  }, 30_000)

  test('that leaves in the middle of a body leaves nothing under way', async () => {
    const socket = connect({ host: '127.0.0.1', port: open.tcp.port ?? 0 })
    socket.write('POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"comm')
    await untilBusy(open, true)
    socket.destroy()
    await untilBusy(open, false)
  })

  test('gets its answer although it has closed its own half', async () => {
    const said = await open.raw('GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n', { end: true })
    expect(said).toContain('"version":"1.2.3"')
  })

  test.each([
    'POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: abc\r\n\r\n{}',
    'POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n{}',
    'POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}',
    'POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'GET /status HTTP/1.1\r\n\r\n',
    '\0\u0001\u0002\r\n\r\n',
  ])('whose request cannot be read is told so and let go: %j', async (text) => {
    expect(await open.raw(text)).toStartWith('HTTP/1.1 400 ')
  })

  test('that asks too often at once is told to wait', async () => {
    const world = new HttpWorld({ deps: { limits: { inFlight: 1 } } })
    const socket = connect({ host: '127.0.0.1', port: world.tcp.port ?? 0 })
    try {
      socket.write('POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{')
      await untilBusy(world, true)
      const { status, headers, body } = await world.ask('/health')
      expect([status, headers.get('retry-after'), body['code']]).toEqual([429, '1', 'too_many_requests'])
    } finally {
      socket.destroy()
      await world.stop()
    }
  })
})

describe('the server', () => {
  test('that stops lets nobody in, closes what never ends, and waits for the rest', async () => {
    const world = new HttpWorld()
    const socket = connect({ host: '127.0.0.1', port: world.tcp.port ?? 0 })
    const said = Promise.withResolvers<string>()
    socket.once('data', (data) => said.resolve(data.toString()))
    const text = '{"command":["true"],"volumes":["x"]}'
    socket.write(`POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${text.length}\r\n\r\n${text.slice(0, 5)}`)
    await untilBusy(world, true)
    const drained = world.app.drain(10_000)
    const { status, body, headers } = await world.ask('/health')
    expect([status, body['code'], headers.get('connection'), headers.get('retry-after')]).toEqual([503, 'shutting_down', 'close', '1'])
    socket.write(text.slice(5))
    expect(await said.promise).toStartWith('HTTP/1.1 501 ')
    await drained
    socket.destroy()
    await world.stop()
  })

  test('that has waited long enough answers what it has not done', async () => {
    const world = new HttpWorld()
    const said = world.raw('POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{')
    await untilBusy(world, true)
    await world.app.drain(1)
    expect(await said).toContain('"code":"shutting_down"')
    await world.stop()
  })

  test('says in one sentence that its port is in use, or that it may not listen there', () => {
    const code = (listen: () => void): unknown => {
      try {
        listen()
        return undefined
      } catch (error) {
        return isAppError(error) ? error.code : error
      }
    }
    expect(code(() => serveTcp(open.app, { host: '127.0.0.1', port: open.tcp.port ?? 0 }))).toBe('address_in_use')
    expect(code(() => serveTcp(keyed.app, { host: '203.0.113.7', port: 0 }))).toBe('invalid_argument')
    expect(code(() => serveTcp(open.app, { host: 'localhost', port: 0, tls: { cert: 'x', key: 'y' } }))).toBe('invalid_argument')
    expect(new ApiKeys([]).none).toBe(true)
  })
})

describe('TLS', () => {
  test('is spoken with the certificate that the server was given, and plain text is not', async () => {
    const { cert, key } = selfSigned(['localhost', '127.0.0.1'], new Date())
    const world = new HttpWorld({ tcp: { tls: { cert, key } }, keys: [KEY] })
    try {
      expect(world.url).toStartWith('https://127.0.0.1:')
      const { body } = await world.ask('/status', { headers: auth, tls: { ca: cert } })
      expect(body['success']).toBe(true)
      await expect(world.ask('/health', { tls: { ca: selfSigned(['localhost'], new Date()).cert } })).rejects.toThrow()
      await expect(fetch(world.url.replace('https', 'http'))).rejects.toThrow()
    } finally {
      await world.stop()
    }
  })
})

/** Resolves when the server has something under way, or nothing. */
async function untilBusy(world: HttpWorld, busy: boolean): Promise<void> {
  while (world.app.busy() !== busy) await Bun.sleep(1)
}
