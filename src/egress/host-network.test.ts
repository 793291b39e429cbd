import { afterEach, expect, test } from 'bun:test'
import type { Socket } from 'bun'
import { hostNetwork } from './host-network.ts'
import { ownAddresses, freshPolicy } from './own-addresses.ts'
import { compilePolicy } from '../policy/network/index.ts'
import type { DialError, Upstream } from './types.ts'

const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})
const network = hostNetwork()

function server(events: { readonly [name: string]: (socket: Socket, bytes: Uint8Array) => unknown }): number {
  const listener = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    allowHalfOpen: true,
    socket: { binaryType: 'uint8array', data: () => undefined, end: () => undefined, ...events } as never,
  })
  open.push(() => listener.stop(true))
  return listener.port
}

async function readAll(upstream: Upstream): Promise<number> {
  let bytes = 0
  for (let chunk = await upstream.read(); chunk !== undefined; chunk = await upstream.read()) bytes += chunk.length
  return bytes
}

const codeOf = async (work: Promise<unknown>): Promise<string | undefined> =>
  await work.then(
    () => undefined,
    (error: DialError) => error.code,
  )

test('names are looked up as other programs of this machine do; its own loopback has a name', async () => {
  expect(await network.resolve('localhost')).toContain('127.0.0.1')
  expect(await network.resolve('host.agentkernel.internal')).toEqual(['127.0.0.1', '::1'])
  expect(await codeOf(network.resolve('no-such-name.invalid'))).toMatch(/not_found|unreachable/)
})

test('we end our side and still read what the other one says', async () => {
  const got: number[] = []
  const port = server({
    data: (_socket, bytes) => got.push(bytes.length),
    end: (socket) => {
      socket.write('late answer')
      socket.shutdown()
    },
  })
  const upstream = await network.dialTcp('127.0.0.1', port)
  expect(await upstream.write(new Uint8Array(3))).toBe(true)
  upstream.end()
  expect(await readAll(upstream)).toBe(11)
  await upstream.closed
  expect(got).toEqual([3])
  expect(await upstream.write(new Uint8Array(1))).toBe(false)
})

test('the other side ends, and still reads what we say', async () => {
  const got = Promise.withResolvers<string>()
  const port = server({
    open: (socket) => {
      socket.write('bye')
      socket.shutdown()
    },
    data: (_socket, bytes) => got.resolve(Buffer.from(bytes).toString()),
  })
  const upstream = await network.dialTcp('127.0.0.1', port)
  expect(await readAll(upstream)).toBe(3)
  expect(await upstream.write(Buffer.from('still here'))).toBe(true)
  expect(await got.promise).toBe('still here')
  upstream.destroy()
})

test('every byte arrives in order through pauses on both sides, and an end after them', async () => {
  const total = 24 * 1024 * 1024
  let sum = 0
  let bytes = 0
  const done = Promise.withResolvers<void>()
  const port = server({
    data: (_socket, chunk) => {
      for (let at = 0; at < chunk.length; at += 4_093) sum = (sum * 31 + chunk[at]! + bytes + at) >>> 0
      bytes += chunk.length
    },
    end: (socket) => {
      done.resolve()
      socket.shutdown()
    },
  })
  const upstream = await network.dialTcp('127.0.0.1', port)
  const chunk = Uint8Array.from({ length: 1024 * 1024 }, (_, index) => index * 7)
  for (let sent = 0; sent < total; sent += chunk.length) void upstream.write(chunk)
  upstream.end()
  await done.promise
  expect(bytes).toBe(total)
  expect(sum).toBeGreaterThan(0)
})

test('what comes is what was sent, whatever the pauses of its reader', async () => {
  const total = 16 * 1024 * 1024
  const pattern = Uint8Array.from({ length: total }, (_, index) => (index * 2_654_435_761) >>> 13)
  const push = (socket: Socket): void => {
    const state = socket as unknown as { at?: number }
    state.at ??= 0
    while (state.at < total) {
      const taken = Math.max(0, socket.write(pattern.subarray(state.at, state.at + 1_000_003)))
      if (taken === 0) return
      state.at += taken
    }
    socket.shutdown()
  }
  const port = server({ open: push, drain: push })
  const upstream = await network.dialTcp('127.0.0.1', port)
  const chunks: Uint8Array[] = []
  for (let chunk = await upstream.read(); chunk !== undefined; chunk = await upstream.read()) {
    chunks.push(chunk)
    if (chunks.length % 10 === 0) await Bun.sleep(1)
  }
  expect(Buffer.concat(chunks).equals(pattern)).toBe(true)
  upstream.destroy()
})

test('what was sent before both sides ended arrives, though its reader is slow', async () => {
  const total = 4 * 1024 * 1024
  let got = 0
  const done = Promise.withResolvers<void>()
  const port = server({
    open: (socket) => {
      socket.pause()
      socket.shutdown()
      setTimeout(() => socket.resume(), 100)
    },
    data: (_socket, bytes) => {
      got += bytes.length
      if (got === total) done.resolve()
    },
    close: () => done.resolve(),
  })
  const upstream = await network.dialTcp('127.0.0.1', port)
  expect(await readAll(upstream)).toBe(0)
  expect(await upstream.write(new Uint8Array(total))).toBe(true)
  upstream.end()
  upstream.destroy()
  await done.promise
  expect(got).toBe(total)
})

test('a reader that does not read holds up the other side', async () => {
  let sent = 0
  const chunk = new Uint8Array(1024 * 1024)
  const push = (socket: Socket): void => {
    for (let taken = socket.write(chunk); taken > 0; taken = socket.write(chunk)) sent += taken
  }
  const port = server({ open: push, drain: push })
  const upstream = await network.dialTcp('127.0.0.1', port)
  let before = -1
  while (sent !== before) {
    before = sent
    await Bun.sleep(50)
  }
  expect(sent).toBeLessThan(32 * 1024 * 1024)
  let got = 0
  while (got < 64 * 1024 * 1024) got += (await upstream.read())!.length
  upstream.destroy()
})

test('a reset is an error for the reader and an end for the writer', async () => {
  const port = server({ data: (socket) => socket.terminate() })
  const upstream = await network.dialTcp('127.0.0.1', port)
  await upstream.write(new Uint8Array(1))
  expect(await codeOf(upstream.read())).toBe('refused')
  expect(await upstream.write(new Uint8Array(1))).toBe(false)
})

test('nobody listening is refused, and a signal gives up', async () => {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data: () => undefined } })
  listener.stop(true)
  expect(await codeOf(network.dialTcp('127.0.0.1', listener.port))).toBe('refused')
  expect(await codeOf(network.dialTcp('127.0.0.1', 9, AbortSignal.abort()))).toBeDefined()
})

test('datagrams go both ways, and a port without listener ends them', async () => {
  const peer = await Bun.udpSocket({
    hostname: '127.0.0.1',
    socket: { data: (socket, bytes, port, host) => void socket.send(bytes, port, host) },
  })
  const upstream = await network.dialUdp('127.0.0.1', peer.port)
  await upstream.write(Buffer.from('ping'))
  expect(Buffer.from((await upstream.read())!).toString()).toBe('ping')
  await upstream.write(new Uint8Array(70_000))
  await upstream.write(Buffer.from('again'))
  expect(Buffer.from((await upstream.read())!).toString()).toBe('again')
  peer.close()
  await upstream.write(Buffer.from('x'))
  expect(await codeOf(upstream.read())).toBe('refused')
  expect(await upstream.write(Buffer.from('x'))).toBe(false)
})

test('an address that the host gets later is its own from then on', () => {
  expect(ownAddresses()()).toContain('127.0.0.1')
  let own: readonly string[] = ['203.0.113.1']
  const policy = freshPolicy(
    () => own,
    (facts) => compilePolicy({ allow: ['public'], block: [] }, facts),
  )
  expect(policy.decideAddress('203.0.113.2', 80, 'tcp').allowed).toBe(true)
  expect(policy.decideAddress('203.0.113.1', 80, 'tcp').allowed).toBe(false)
  own = ['203.0.113.1', '203.0.113.2']
  expect(policy.decideAddress('203.0.113.2', 80, 'tcp').allowed).toBe(false)
  expect(policy.addressAllowed('a.test', '203.0.113.2', 80, 'tcp').allowed).toBe(false)
  expect([policy.level, policy.opens('a.test', 443), policy.rules.allow]).toEqual(['public', false, ['public']])
})
