import { expect, test } from 'bun:test'
import { startAgent } from '../../../test/support/agent-process.ts'
import { failure } from '../../../test/support/guest-peer.ts'
import type { PublishedPort } from '../../contract/network.ts'
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
