import { createServer, type Server, type Socket } from 'node:net'
import type { PublishedPort } from '../../contract/network.ts'
import type { GuestPort } from '../../guestlink/index.ts'
import { ignore } from '../../lib/ignore.ts'
import { cannotListen, CONNECT_LIMIT_MS, type ConnectPort, type Listener, type Slots } from './published-listener.ts'

/** Listens for one TCP port. Errors: those of `cannotListen`. */
export async function listenTcp(port: PublishedPort, connect: ConnectPort, slots: Slots): Promise<Listener> {
  const open = new Set<Socket>()
  const empty = Promise.withResolvers<void>()
  let leaving = false
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    if (leaving || !slots.take()) return void socket.resetAndDestroy()
    open.add(socket)
    socket.on('close', () => {
      open.delete(socket)
      slots.free()
      if (leaving && open.size === 0) empty.resolve()
    })
    void pass(socket, port.sandboxPort, connect)
  })
  await listening(server, port)
  const address = server.address()
  const hostPort = typeof address === 'object' && address !== null ? address.port : port.hostPort
  const closed = Promise.withResolvers<void>()
  const leave = (): void => {
    if (leaving) return
    leaving = true
    server.close(() => closed.resolve())
    if (open.size === 0) empty.resolve()
  }
  return {
    port: { ...port, hostPort },
    drained: async () => {
      leave()
      await empty.promise
    },
    close: async () => {
      leave()
      for (const socket of open) socket.destroy()
      await closed.promise
    },
  }
}

function listening(server: Server, port: PublishedPort): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(cannotListen(port, error)))
    server.listen({ port: port.hostPort, host: port.hostAddress, ipv6Only: true }, () => {
      server.removeAllListeners('error')
      // What fails later is one connection (no descriptors left, say), not the port.
      server.on('error', (error) => ignore(error, 'the next connection may be taken'))
      resolve()
    })
  })
}

/** One connection from the outside to the sandbox; each direction ends by itself. */
async function pass(socket: Socket, sandboxPort: number, connect: ConnectPort): Promise<void> {
  let inside: GuestPort
  try {
    inside = await connect({ port: sandboxPort }, AbortSignal.timeout(CONNECT_LIMIT_MS))
  } catch (error) {
    ignore(error, 'nobody listens inside: the caller sees what a closed port is like')
    socket.resetAndDestroy()
    return
  }
  if (socket.destroyed) return inside.close()
  socket.on('close', () => inside.close())
  const inward = async (): Promise<void> => {
    for await (const chunk of socket) if (!(await inside.write(chunk as Buffer))) return
    inside.end()
  }
  const outward = async (): Promise<void> => {
    for await (const chunk of inside.input) if (!socket.write(chunk)) await drained(socket)
    socket.end()
    await inside.closed
    // Nobody is there any more to hear what the caller says; what was said to him still arrives.
    socket.destroySoon()
  }
  try {
    await Promise.all([inward(), outward()])
  } catch (error) {
    ignore(error, 'one side broke the connection; the other sees it broken')
    socket.resetAndDestroy()
  }
}

function drained(socket: Socket): Promise<void> {
  if (socket.destroyed) return Promise.resolve()
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done)
      socket.off('close', done)
      resolve()
    }
    socket.on('drain', done)
    socket.on('close', done)
  })
}
