import { afterEach, describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { certificateFor, HttpLab, sandboxAuthority } from '../../../test/support/http-lab.ts'
import { Secret } from '../../lib/secret.ts'
import { createInjector } from '../inject/injector.ts'
import type { BodyFilter } from '../types.ts'
import { Messages } from './web-socket-guard.ts'

const NAME = 'socket.example.test'
const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})

function echoServer(): number {
  const { cert, key } = certificateFor(NAME)
  const server = Bun.serve<{ readonly said: string }>({
    port: 0,
    hostname: '127.0.0.1',
    tls: { cert, key },
    fetch: (request, server) =>
      server.upgrade(request, { data: { said: request.headers.get('authorization') ?? '' } })
        ? undefined
        : new Response('no', { status: 400 }),
    websocket: {
      perMessageDeflate: true,
      message: (socket, message) => void socket.send(message === 'who am I?' ? `you are ${socket.data.said}` : message),
    },
  })
  open.push(() => void server.stop(true))
  return server.port!
}

function labFor(port: number, hasSecret: boolean): HttpLab {
  const binding = { name: 'TOKEN', vaultKey: 'TOKEN', hosts: [NAME], how: 'header' } as const
  const injector = createInjector([{ binding, value: () => new Secret('sk-very-secret-value'), placeholder: 'ak-proxy-managed' }])
  const lab = new HttpLab({
    allow: ['*.example.test', `GET https://${NAME}/*`],
    servers: { [`${NAME}:443`]: port },
    gateway: hasSecret ? { injector } : {},
  })
  open.push(() => lab.close())
  return lab
}

/** Bun's own client, which speaks to the door as if it were the host. */
async function client(door: number): Promise<WebSocket> {
  const options = { headers: { Host: NAME }, tls: { ca: sandboxAuthority.cert, serverName: NAME, checkServerIdentity: () => undefined } }
  const socket = new WebSocket(`wss://127.0.0.1:${door}/chat`, options as never)
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve()
    socket.onerror = () => reject(new TypeError('no WebSocket'))
  })
  return socket
}

const next = (socket: WebSocket): Promise<string> =>
  new Promise((resolve, reject) => {
    socket.onmessage = ({ data }) => resolve(String(data))
    socket.onclose = () => reject(new TypeError('closed'))
  })

describe.each([false, true])('a WebSocket to a host that has a secret: %p', (hasSecret) => {
  test('passes messages both ways, of any size', async () => {
    const lab = labFor(echoServer(), hasSecret)
    const socket = await client(lab.door(NAME, 443))
    for (const text of ['hello', 'x'.repeat(1_000_000), '']) {
      const answer = next(socket)
      socket.send(text)
      expect(await answer).toBe(text)
    }
    const closed = new Promise((resolve) => (socket.onclose = resolve))
    socket.close()
    await closed
    await lab.flows[0]!.closed
    while (lab.recorder.events().length === 0) await Bun.sleep(5)
    expect(lab.recorder.events()[0]).toMatchObject({ verdict: 'allowed', status: 101, path: '/chat' })
  })
})

test('a WebSocket over which the server tells a secret is broken off', async () => {
  const lab = labFor(echoServer(), true)
  const socket = await client(lab.door(NAME, 443))
  const answer = next(socket)
  socket.send('who am I?')
  await expect(answer).rejects.toThrow('closed')
  await lab.flows[0]!.closed
})

const frame = (first: number, payload: Buffer): Buffer => {
  if (payload.length < 126) return Buffer.concat([Buffer.of(first, payload.length), payload])
  const head = Buffer.alloc(4)
  head[0] = first
  head[1] = 126
  head.writeUInt16BE(payload.length, 2)
  return Buffer.concat([head, payload])
}
const unchanged = (): BodyFilter => ({ changesLength: false, push: (bytes) => bytes, end: () => new Uint8Array(0) })

describe('messages', () => {
  test('come out as they went in, wherever they are cut', () => {
    const message = fc.tuple(fc.constantFrom(0x81, 0x82, 0x89), fc.uint8Array({ maxLength: 300 }))
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 6 }), (messages, cuts) => {
        const all = Buffer.concat(messages.map(([first, payload]) => frame(first, Buffer.from(payload))))
        const edges = [0, ...cuts.map((cut) => cut % (all.length + 1)), all.length].toSorted((a, b) => a - b)
        const guard = new Messages(unchanged)
        const out = edges.slice(1).map((edge, index) => guard.push(all.subarray(edges[index], edge)))
        expect(Buffer.concat(out)).toEqual(all)
      }),
    )
  })

  test('are looked at whole, also when they come in fragments', () => {
    const finds = (): BodyFilter => ({
      changesLength: true,
      push: (bytes) => (Buffer.from(bytes).includes('secret') ? Buffer.from('*') : bytes),
      end: () => new Uint8Array(0),
    })
    const guard = new Messages(finds)
    expect(guard.push(frame(0x01, Buffer.from('sec')))).toHaveLength(0)
    expect(() => guard.push(frame(0x80, Buffer.from('ret')))).toThrow('secret')
  })

  test('that cannot be looked at do not pass', () => {
    expect(() => new Messages(unchanged).push(frame(0xc1, Buffer.from('deflated')))).toThrow()
    expect(() => new Messages(unchanged).push(Buffer.of(0x81, 0x85, 1, 2, 3, 4, 5))).toThrow()
    expect(() => new Messages(unchanged).push(Buffer.of(0x81, 127, 0, 0, 1, 0, 0, 0, 0, 0))).toThrow('too large')
  })
})
