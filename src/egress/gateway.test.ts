import { afterEach, expect, test } from 'bun:test'
import type { Socket, TCPSocketListener } from 'bun'
import { MemoryFlow } from '../../test/support/memory-flow.ts'
import type { NetworkEvent } from '../contract/network.ts'
import { compilePolicy } from '../policy/network/index.ts'
import { queryFor, readAnswer } from '../../test/support/dns-message.ts'
import { Gateway, type GatewayOptions } from './gateway.ts'
import { hostNetwork } from './host-network.ts'
import { clientHello } from '../../test/support/client-hello.ts'
import { NetworkRecorder } from './network-recorder.ts'
import { DialError, type HostNetwork, type HttpDoors, type HttpEngine, type Injector } from './types.ts'

const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})

const real = hostNetwork()

/** The real network, with names that the test knows. */
function network(names: {
  readonly [name: string]: readonly string[] | (() => readonly string[])
}): HostNetwork & { readonly dialed: string[] } {
  const dialed: string[] = []
  return {
    dialed,
    resolve: async (name) => {
      const found = names[name]
      if (found === undefined) throw new DialError('not_found', `there is no ${name}`)
      return typeof found === 'function' ? found() : found
    },
    dialTcp: (address, port, signal) => {
      dialed.push(`${address}:${port}`)
      return real.dialTcp(address, port, signal)
    },
    dialUdp: (address, port) => real.dialUdp(address, port),
    records: async (name, type) => (type === 'TXT' ? [{ fields: [{ text: new TextEncoder().encode(`about ${name}`) }] }] : []),
  }
}

interface Lab {
  readonly gateway: Gateway
  readonly recorder: NetworkRecorder
  readonly names: HostNetwork & { readonly dialed: string[] }
}

function lab(allow: readonly string[], names: Parameters<typeof network>[0] = {}, more: Partial<GatewayOptions> = {}): Lab {
  const recorder = new NetworkRecorder({ sandbox: 'box' })
  const known = network(names)
  const gateway = new Gateway({ policy: rules(allow), network: known, record: recorder.record, ...more })
  open.push(() => void gateway.close())
  return { gateway, recorder, names: known }
}

const rules = (allow: readonly string[], block: readonly string[] = []) => compilePolicy({ allow, block }, { ownAddresses: [] })

interface ServerEvents {
  open?(socket: Socket): void
  data?(socket: Socket, bytes: Uint8Array): void
  end?(socket: Socket): void
  drain?(socket: Socket): void
  close?(): void
}

function server(events: ServerEvents): TCPSocketListener {
  const listener = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    allowHalfOpen: true,
    socket: { binaryType: 'uint8array', data: () => undefined, end: () => undefined, ...events } as never,
  })
  open.push(() => listener.stop(true))
  return listener as unknown as TCPSocketListener
}

const echo = () => server({ data: (socket, bytes) => void socket.write(bytes), end: (socket) => socket.shutdown() })

async function eventOf(recorder: NetworkRecorder, matches: (event: NetworkEvent) => boolean): Promise<NetworkEvent> {
  const known = recorder.events().find(matches)
  if (known !== undefined) return known
  return await new Promise((resolve) => {
    const stop = recorder.listen((event) => {
      if (!matches(event)) return
      stop()
      resolve(event)
    })
  })
}

/** Asks the gateway's DNS for a name, as a program does before it connects. */
async function addressOf(gateway: Gateway, name: string): Promise<string> {
  const flow = new MemoryFlow({ op: 'udp', dst: '198.18.0.1', port: 53 })
  gateway.serve(flow)
  flow.send(queryFor(name))
  await flow.until(() => flow.received.length > 0)
  flow.endInput()
  return readAnswer(flow.received[0]!).addresses[0]!
}

async function connect(
  gateway: Gateway,
  dst: string,
  port: number,
  more: { readonly tag?: string; readonly via?: 'proxy' } = {},
): Promise<MemoryFlow> {
  const flow = new MemoryFlow({ dst, port, ...more })
  gateway.serve(flow)
  await flow.untilSettled()
  return flow
}

test('a name is looked up, dialled at the literal that was checked, and passed both ways with a half close', async () => {
  const { port } = echo()
  const { gateway, recorder, names } = lab([`db.example.com:${port}`, `127.0.0.1:${port}`], { 'db.example.com': ['127.0.0.1'] })
  const flow = await connect(gateway, await addressOf(gateway, 'db.example.com'), port)
  expect(flow.isAccepted).toBe(true)
  flow.send('\0hello')
  await flow.until(() => flow.receivedBytes === 6)
  flow.send('more')
  flow.endInput()
  await flow.until(() => flow.hasEnded)
  expect(flow.text()).toBe('\0hellomore')
  expect(names.dialed).toEqual([`127.0.0.1:${port}`])
  const event = await eventOf(recorder, ({ kind }) => kind === 'tcp')
  expect(event).toMatchObject({ verdict: 'allowed', host: 'db.example.com', address: '127.0.0.1', port, bytes_out: 10, bytes_in: 10 })
})

test('a server may speak first', async () => {
  const { port } = server({ open: (socket) => void socket.write('220 ready\r\n'), data: (socket) => void socket.end('bye') })
  const { gateway } = lab([`127.0.0.1:${port}`])
  const flow = await connect(gateway, '127.0.0.1', port)
  await flow.until(() => flow.receivedBytes > 0)
  flow.send('EHLO x\r\n')
  await flow.until(() => flow.hasEnded)
  expect(flow.text()).toBe('220 ready\r\nbye')
})

test('HTTP after the server has spoken is refused, and so is TLS for another name', async () => {
  for (const bytes of [Buffer.from('GET / HTTP/1.1\r\nHost: other.test\r\n\r\n'), clientHello({ name: 'other.test' })]) {
    let got = 0
    const { port } = server({ open: (socket) => void socket.write('hi'), data: (_socket, chunk) => void (got += chunk.length) })
    const { gateway, recorder } = lab([`a.test:${port}`, `127.0.0.1:${port}`], { 'a.test': ['127.0.0.1'] })
    const flow = await connect(gateway, 'a.test', port, { via: 'proxy' })
    await flow.until(() => flow.receivedBytes > 0)
    flow.send(bytes)
    await flow.until(() => flow.refused !== undefined)
    expect((await eventOf(recorder, ({ kind }) => kind === 'tcp')).verdict).toBe('denied')
    expect(got).toBe(0)
  }
})

test('a denied connection is refused at once, with reason and hint, and nobody is dialled', async () => {
  const { gateway, recorder, names } = lab(['a.test'], { 'b.test': ['203.0.113.1'] })
  const flow = await connect(gateway, await addressOf(gateway, 'b.test'), 5432)
  expect(flow.refused?.why).toBe('denied')
  const event = await eventOf(recorder, ({ kind }) => kind === 'tcp')
  expect(event).toMatchObject({ verdict: 'denied', host: 'b.test', port: 5432, hint: '--allow b.test:5432' })
  expect(names.dialed).toEqual([])
  expect(recorder.denials()).toEqual([{ target: 'b.test:5432', count: 1, reason: 'no rule allows b.test', hint: '--allow b.test:5432' }])
})

test('of a public and a private address only the public one is dialled; without a public one it is denied', async () => {
  const { port } = echo()
  const { gateway, recorder, names } = lab([`two.test:${port}`], { 'two.test': ['10.0.0.1', '203.0.113.9'], 'in.test': ['10.0.0.1'] }, {})
  const abort = new MemoryFlow({ dst: 'two.test', port, via: 'proxy' })
  gateway.serve(abort)
  await Bun.sleep(20)
  abort.reset()
  expect(names.dialed).toEqual([`203.0.113.9:${port}`])
  gateway.setPolicy(rules(['in.test']))
  const flow = await connect(gateway, 'in.test', 443, { via: 'proxy' })
  expect(flow.refused?.why).toBe('denied')
  const event = await eventOf(recorder, ({ host, kind }) => host === 'in.test' && kind === 'tcp')
  expect(event.reason).toContain('10.0.0.1')
  expect(names.dialed).toHaveLength(1)
})

test('a name whose answer changes to a private address is not followed', async () => {
  const { port } = echo()
  let answers = ['203.0.113.9']
  let now = Date.now()
  const names = { 'rebind.test': () => answers }
  const { gateway, names: known } = lab([`rebind.test:${port}`], names, { now: () => now })
  const address = await addressOf(gateway, 'rebind.test')
  answers = ['127.0.0.1']
  now += 10_000
  const flow = await connect(gateway, address, port)
  expect(flow.refused?.why).toBe('denied')
  expect(known.dialed).toEqual([])
})

test('literals match rules for addresses only; odd ways to write one are no names', async () => {
  const { port } = echo()
  const { gateway, names } = lab([`a.test:${port}`, 'public'], { 'a.test': ['127.0.0.1'] })
  for (const dst of [
    '127.0.0.1',
    '::ffff:127.0.0.1',
    '10.1.2.3',
    '169.254.169.254',
    '198.18.77.77',
    '198.18.0.2',
    'fd61:6b00::9',
    '0.0.0.0',
    '64:ff9b::7f00:1',
  ]) {
    expect((await connect(gateway, dst, port)).refused?.why).toBe('denied')
  }
  for (const dst of ['0x7f.1', '2130706433', '017700000001', '127.1', 'a b', 'user@a.test', '']) {
    expect((await connect(gateway, dst, port, { via: 'proxy' })).refused?.why).toBe('denied')
  }
  // A name is no destination of a packet.
  expect((await connect(gateway, 'a.test', port)).refused?.why).toBe('denied')
  expect(names.dialed).toEqual([])
})

test('a trailing dot and capitals are the same name', async () => {
  const { port } = echo()
  const { gateway } = lab([`a.test:${port}`, `127.0.0.1:${port}`], { 'a.test': ['127.0.0.1'] })
  expect(await addressOf(gateway, 'A.Test.')).toBe(await addressOf(gateway, 'a.test'))
  expect((await connect(gateway, 'A.TEST.', port, { via: 'proxy' })).isAccepted).toBe(true)
})

test('nobody listening is a refused connection, and a name without address is unreachable', async () => {
  const listener = server({})
  const { port } = listener
  listener.stop(true)
  const { gateway, recorder } = lab([`127.0.0.1:${port}`, 'gone.test:1'])
  expect((await connect(gateway, '127.0.0.1', port)).refused?.why).toBe('refused')
  expect((await connect(gateway, 'gone.test', 1, { via: 'proxy' })).refused?.why).toBe('unreachable')
  expect(recorder.totals.failed).toBe(2)
})

test('a reset by the other side is a reset for the program, and the other way round', async () => {
  const closed = Promise.withResolvers<void>()
  const { port } = server({ data: (socket, bytes) => (bytes.length === 1 ? socket.terminate() : undefined), close: () => closed.resolve() })
  const { gateway, recorder } = lab([`127.0.0.1:${port}`])
  const flow = await connect(gateway, '127.0.0.1', port)
  flow.send('\0')
  await flow.until(() => flow.refused !== undefined)
  expect(flow.refused?.why).toBe('refused')
  const other = await connect(gateway, '127.0.0.1', port)
  other.send('\0\0')
  other.reset()
  await closed.promise
  while (gateway.flows > 0) await Bun.sleep(1)
  expect(recorder.totals).toMatchObject({ allowed: 2, denied: 0 })
})

test('a tag has rules of its own, and an unknown one is denied', async () => {
  const { port } = echo()
  const { gateway } = lab([`127.0.0.1:${port}`])
  expect((await connect(gateway, '127.0.0.1', port, { tag: 'c1' })).refused?.why).toBe('denied')
  gateway.setPolicy(rules([]), 'c1')
  expect((await connect(gateway, '127.0.0.1', port, { tag: 'c1' })).refused?.why).toBe('denied')
  gateway.setPolicy(rules([`127.0.0.1:${port}`]), 'c1')
  const flow = await connect(gateway, '127.0.0.1', port, { tag: 'c1' })
  expect(flow.isAccepted).toBe(true)
  gateway.removePolicy('c1')
  await flow.until(() => flow.refused !== undefined)
  expect(flow.refused?.why).toBe('denied')
})

test('rules that change reset what they no longer allow, and only that', async () => {
  const { port } = echo()
  const { gateway } = lab([`127.0.0.1:${port}`])
  const flow = await connect(gateway, '127.0.0.1', port)
  flow.send('\0')
  await flow.until(() => flow.receivedBytes === 1)
  gateway.setPolicy(rules([`127.0.0.0/8:${port}`, `127.0.0.1:${port}`]))
  flow.send('\0')
  await flow.until(() => flow.receivedBytes === 2)
  gateway.setPolicy(rules([]))
  await flow.until(() => flow.refused !== undefined)
  expect(flow.refused?.why).toBe('denied')
})

test('a closed gateway resets everything and takes nothing', async () => {
  const { port } = echo()
  const { gateway, recorder } = lab([`127.0.0.1:${port}`])
  const flow = await connect(gateway, '127.0.0.1', port)
  const closed = gateway.close()
  expect(flow.refused?.why).toBe('refused')
  await closed
  // What was open until then is told of, or learn mode would not know of it.
  expect(recorder.events()).toMatchObject([{ kind: 'tcp', port, verdict: 'allowed' }])
  expect((await connect(gateway, '127.0.0.1', port)).refused?.why).toBe('refused')
})

test('more flows than the limit are refused', async () => {
  const { port } = echo()
  const { gateway } = lab([`127.0.0.1:${port}`], {}, { limits: { flows: 2 } })
  await connect(gateway, '127.0.0.1', port)
  await connect(gateway, '127.0.0.1', port)
  expect((await connect(gateway, '127.0.0.1', port)).refused?.message).toContain('too many')
})

/** What the engine was handed; it answers one line, through a connection if it is asked for one. */
function engineOf(seen: { host: string; scheme: string; allowed: boolean; first: string }[]) {
  return async (doors: HttpDoors): Promise<HttpEngine> => ({
    serve: async (flow, first, target, scheme, verdict) => {
      seen.push({ host: target.host, scheme, allowed: verdict.allowed, first: Buffer.from(first).toString('latin1') })
      if (!verdict.allowed) await flow.write(Buffer.from('403'))
      else {
        const upstream = await doors.dial(target)
        await upstream.write(first)
        await flow.write((await upstream.read())!)
        upstream.destroy()
      }
      flow.end()
    },
  })
}

test('plain HTTP goes to the engine on any port, with the connection that was already made', async () => {
  let connections = 0
  const { port } = server({ open: () => void connections++, data: (socket, bytes) => void socket.write(bytes) })
  const seen: Parameters<typeof engineOf>[0] = []
  const { gateway } = lab([`a.test:${port}`, `127.0.0.1:${port}`], { 'a.test': ['127.0.0.1'] }, { opener: engineOf(seen) })
  const flow = await connect(gateway, 'a.test', port, { via: 'proxy' })
  for (const piece of ['GE', 'T / HTTP/1', '.1\r\nHost: a.test\r\n']) flow.send(piece)
  await flow.until(() => flow.hasEnded)
  expect(seen).toEqual([{ host: 'a.test', scheme: 'http', allowed: true, first: expect.stringContaining('GET / HTTP/1') }])
  expect(connections).toBe(1)
})

test('a denied host answers so that a program can read why, where HTTP or TLS is to be expected', async () => {
  const seen: Parameters<typeof engineOf>[0] = []
  const { gateway, recorder } = lab(['a.test'], {}, { opener: engineOf(seen) })
  const flow = await connect(gateway, await addressOf(gateway, 'b.test'), 443)
  expect(flow.isAccepted).toBe(true)
  flow.send(clientHello({ name: 'b.test' }))
  await flow.until(() => flow.hasEnded)
  expect(seen).toMatchObject([{ host: 'b.test', scheme: 'tls', allowed: false }])
  const raw = await connect(gateway, await addressOf(gateway, 'b.test'), 443)
  raw.send('\0\0\0')
  await raw.until(() => raw.refused !== undefined)
  expect(recorder.denials()).toMatchObject([{ target: 'b.test', count: 2 }])
})

test('a host whose requests have rules is not dialled before one is seen, and speaks HTTP only', async () => {
  const seen: Parameters<typeof engineOf>[0] = []
  const { gateway, recorder, names } = lab(['GET https://a.test/*'], { 'a.test': ['203.0.113.1'] }, { opener: engineOf(seen) })
  const flow = await connect(gateway, 'a.test', 443, { via: 'proxy' })
  expect(flow.isAccepted).toBe(true)
  flow.send('\0\0')
  await flow.until(() => flow.refused !== undefined)
  expect((await eventOf(recorder, ({ kind }) => kind === 'tcp')).reason).toContain('no HTTP')
  expect(names.dialed).toEqual([])
  expect(seen).toEqual([])
})

test('TLS must ask for the name of the connection: other, missing and hidden names are refused with an alert', async () => {
  const { port } = echo()
  const allow = [`a.test:${port}`, `127.0.0.1:${port}`]
  const cases: [Parameters<typeof clientHello>[0], boolean][] = [
    [{ name: 'a.test' }, true],
    [{ name: 'A.TEST' }, true],
    [{ name: 'b.test' }, false],
    [{}, false],
    [{ name: 'a.test', ech: true }, false],
    [{ name: 'a.test', version: 0x0301 }, true],
  ]
  for (const [hello, passes] of cases) {
    const { gateway, recorder } = lab(allow, { 'a.test': ['127.0.0.1'] })
    const flow = await connect(gateway, 'a.test', port, { via: 'proxy' })
    flow.send(clientHello(hello))
    await flow.until(() => flow.receivedBytes > 0)
    expect(flow.received[0]![0]).toBe(passes ? 22 : 21)
    if (passes) flow.reset()
    else await flow.until(() => flow.refused !== undefined)
    expect((await eventOf(recorder, ({ kind }) => kind === 'tcp')).verdict).toBe(passes ? 'allowed' : 'denied')
  }
})

test('TLS to a literal may ask for anything', async () => {
  const { port } = echo()
  const { gateway } = lab([`127.0.0.1:${port}`])
  const flow = await connect(gateway, '127.0.0.1', port)
  flow.send(clientHello({ ech: true }))
  await flow.until(() => flow.receivedBytes > 0)
  expect(flow.received[0]![0]).toBe(22)
})

test('a beginning that comes too slowly to tell what it is, is refused', async () => {
  const { port } = echo()
  const { gateway } = lab([`127.0.0.1:${port}`], {}, { limits: { firstBytesMs: 30 } })
  const flow = await connect(gateway, '127.0.0.1', port)
  flow.send('GE')
  await flow.until(() => flow.refused !== undefined)
  expect(flow.refused?.message).toContain('too slowly')
})

test('a placeholder that leaves unopened is blocked and told, also across chunks', async () => {
  let got = ''
  const { port } = server({ data: (_socket, bytes) => void (got += Buffer.from(bytes).toString()) })
  const injector: Injector = {
    opens: () => false,
    request: (_target, head) => ({ kind: 'pass', head, secrets: [] }),
    response: () => undefined,
    leaks: (bytes) => Buffer.from(bytes).includes('PLACEHOLDER'),
  }
  const { gateway, recorder } = lab([`127.0.0.1:${port}`], {}, { injector })
  const flow = await connect(gateway, '127.0.0.1', port)
  flow.send('\0AUTH PLACE')
  await flow.until(() => flow.untaken === 0)
  flow.send('HOLDER\n')
  await flow.until(() => flow.refused !== undefined)
  expect(flow.refused?.why).toBe('denied')
  expect((await eventOf(recorder, ({ kind }) => kind === 'tcp')).reason).toContain('placeholder')
  expect(got).not.toContain('HOLDER\n')
})

test('a slow reader holds up a fast server, and a slow server a fast program', async () => {
  let sent = 0
  const chunk = new Uint8Array(256 * 1024)
  const push = (socket: Socket): void => {
    for (let taken = socket.write(chunk); taken > 0; taken = socket.write(chunk)) sent += taken
  }
  const { port } = server({ open: push, drain: push })
  const { gateway } = lab([`127.0.0.1:${port}`])
  const flow = new MemoryFlow({ dst: '127.0.0.1', port })
  const gate = Promise.withResolvers<boolean>()
  flow.write = () => gate.promise
  gateway.serve(flow)
  await flow.untilSettled()
  let before = -1
  while (sent !== before) {
    before = sent
    await Bun.sleep(50)
  }
  // The kernel's buffers and ours.
  expect(sent).toBeLessThan(32 * 1024 * 1024)
  flow.reset()
  gate.resolve(false)
})

test('a half-closed connection that is silent is ended', async () => {
  const { port } = server({})
  const { gateway } = lab([`127.0.0.1:${port}`], {}, { limits: { halfClosedMs: 30 } })
  const flow = await connect(gateway, '127.0.0.1', port)
  flow.endInput()
  await flow.until(() => flow.refused !== undefined)
  expect(flow.refused?.why).toBe('timed_out')
})

test('datagrams pass where a rule names UDP, and QUIC and other DNS servers are refused', async () => {
  const peer = await Bun.udpSocket({
    hostname: '127.0.0.1',
    socket: { data: (socket, bytes, port, host) => void socket.send(bytes, port, host) },
  })
  open.push(() => peer.close())
  const { gateway, recorder } = lab([`udp:127.0.0.1:${peer.port}`, 'public'])
  const flow = new MemoryFlow({ op: 'udp', dst: '127.0.0.1', port: peer.port })
  gateway.serve(flow)
  flow.send('one')
  flow.send('two')
  await flow.until(() => flow.received.length === 2)
  expect(flow.text()).toBe('onetwo')
  flow.endInput()
  for (const [dst, port] of [
    ['203.0.113.1', 443],
    ['203.0.113.1', 53],
    ['10.0.0.1', 123],
  ] as const) {
    const other = new MemoryFlow({ op: 'udp', dst, port })
    gateway.serve(other)
    await other.untilSettled()
    expect(other.refused?.why).toBe('denied')
  }
  expect(await eventOf(recorder, (event) => event.port === 53 && event.kind === 'udp')).toMatchObject({
    verdict: 'denied',
    hint: '--allow udp:203.0.113.1:53',
  })
  expect((await connect(gateway, '203.0.113.1', 53)).refused?.why).toBe('denied')
})

test('many flows one after another leave nothing behind', async () => {
  const { port } = echo()
  const { gateway } = lab([`127.0.0.1:${port}`])
  for (let round = 0; round < 200; round++) {
    const flow = await connect(gateway, '127.0.0.1', port)
    flow.send('\0')
    flow.endInput()
    await flow.until(() => flow.hasEnded)
  }
  while (gateway.flows > 0) await Bun.sleep(1)
})
