import { expect, test } from 'bun:test'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { startAgent } from '../../../test/support/agent-process.ts'
import { failure } from '../../../test/support/guest-peer.ts'
import type { PublishedPort } from '../../contract/network.ts'
import { MOST_CONNECTIONS } from './published-listener.ts'
import { openPorts } from './published-ports.ts'

const published = (sandboxPort: number, protocol: 'tcp' | 'udp' = 'tcp', hostPort = 0): PublishedPort => ({
  hostAddress: '127.0.0.1',
  hostPort,
  sandboxPort,
  protocol,
})

test('a connection to a published port reaches the program behind it, both ways', async () => {
  await using agent = await startAgent()
  using server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: async (request) => new Response(`got ${await request.text()}`) })
  const open = await openPorts([published(server.port ?? 0)], (target, signal) => agent.guest.connectPort(target, signal))
  const [port] = open.ports
  expect(port?.hostPort).toBeGreaterThan(0)
  const reply = await fetch(`http://127.0.0.1:${port?.hostPort}/`, { method: 'POST', body: 'x'.repeat(1_000_000) })
  expect((await reply.text()).length).toBe(1_000_004)
  await open.close()
  expect(fetch(`http://127.0.0.1:${port?.hostPort}/`)).rejects.toThrow()
})

test('where nobody listens inside, the connection is broken and the port stays', async () => {
  await using agent = await startAgent()
  const open = await openPorts([published(9)], (target, signal) => agent.guest.connectPort(target, signal))
  const url = `http://127.0.0.1:${open.ports[0]?.hostPort}/`
  expect(fetch(url)).rejects.toThrow()
  expect(fetch(url)).rejects.toThrow()
  await open.close()
})

test('datagrams go in and their answers come back to who asked', async () => {
  await using agent = await startAgent()
  const echo = await Bun.udpSocket({
    hostname: '127.0.0.1',
    socket: { data: (socket, bytes, port, address) => void socket.send(`echo ${bytes.toString()}`, port, address) },
  })
  const open = await openPorts([published(echo.port, 'udp')], (target, signal) => agent.guest.connectPort(target, signal))
  const heard = Promise.withResolvers<string>()
  const client = await Bun.udpSocket({ hostname: '127.0.0.1', socket: { data: (_socket, bytes) => heard.resolve(bytes.toString()) } })
  client.send('hello', open.ports[0]?.hostPort ?? 0, '127.0.0.1')
  expect(await heard.promise).toBe('echo hello')
  client.close()
  await open.close()
  echo.close()
})

test('a port that is in use is named, and none of the others stays open', async () => {
  using taken = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('') })
  const other = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('') })
  const free = other.port ?? 0
  await other.stop(true)
  const never = () => Promise.reject(new Error('nobody connects'))
  const opening = openPorts([published(1, 'tcp', free), published(2, 'tcp', taken.port)], never)
  expect(opening).rejects.toThrow(`127.0.0.1:${taken.port}`)
  expect(await failure(opening)).toBe('address_in_use')
  const again = Bun.serve({ port: free, hostname: '127.0.0.1', fetch: () => new Response('') })
  await again.stop(true)
})

test('a number that the host chose before is taken again while nobody has it', async () => {
  const never = () => Promise.reject(new Error('nobody connects'))
  const first = await openPorts([published(80), published(53, 'udp')], never)
  const before = first.ports
  await first.close()
  const again = await openPorts([published(80), published(53, 'udp')], never, before)
  expect(again.ports).toEqual([...before])
  const elsewhere = await openPorts([published(80), published(53, 'udp')], never, before)
  expect(elsewhere.ports.map(({ hostPort }) => hostPort)).not.toContain(before[0]!.hostPort)
  // What was asked for by number is not what the host chose.
  const asked = published(80, 'tcp', before[0]!.hostPort)
  expect(await failure(openPorts([asked], never, before))).toBe('address_in_use')
  await Promise.all([again.close(), elsewhere.close()])
})

test('beyond the most connections the next ones are broken, until there is room again', async () => {
  await using agent = await startAgent()
  const server = createServer(() => undefined).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const open = await openPorts([published((server.address() as AddressInfo).port)], (target, signal) =>
    agent.guest.connectPort(target, signal),
  )
  const dial = (): Socket => connect(open.ports[0]!.hostPort, '127.0.0.1').on('error', () => undefined)
  const held = Array.from({ length: MOST_CONNECTIONS }, dial)
  await Promise.all(held.map((socket) => once(socket, 'connect')))
  expect(await stays(dial())).toBe(false)
  held[0]!.destroy()
  // The room is free when the listener has heard of it.
  let next = dial()
  while (!(await stays(next))) next = dial()
  for (const socket of [...held, next]) socket.destroy()
  await open.close()
  server.close()
})

/** Whether a connection is still there after a while. */
function stays(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.on('close', () => resolve(false))
    setTimeout(() => resolve(true), 300)
  })
}

test('draining lets nobody in, and waits for those who are there', async () => {
  await using agent = await startAgent()
  using server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response('') })
  const open = await openPorts([published(server.port ?? 0)], (target, signal) => agent.guest.connectPort(target, signal))
  const there = connect(open.ports[0]!.hostPort, '127.0.0.1').on('error', () => undefined)
  await once(there, 'connect')
  let drained = false
  const draining = open.drain(10_000).then(() => (drained = true))
  expect(fetch(`http://127.0.0.1:${open.ports[0]!.hostPort}/`)).rejects.toThrow()
  await Bun.sleep(50)
  expect(drained).toBe(false)
  there.destroy()
  await draining
  await open.close()
  await open.close()
})
