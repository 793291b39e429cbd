import { createServer, type Server, type Socket } from 'node:net'
import { AppError } from '../../contract/errors.ts'
import type { PublishedPort } from '../../contract/network.ts'
import type { GuestPort, PortTarget } from '../../guestlink/index.ts'
import { isErrno } from '../../lib/errno.ts'
import { ignore } from '../../lib/ignore.ts'

/** Connects to a port of the sandbox's loopback. */
export type ConnectPort = (target: PortTarget, signal: AbortSignal) => Promise<GuestPort>

/** How long the sandbox may take to take a connection, in ms. */
const CONNECT_LIMIT_MS = 10_000
/** Senders of datagrams that are remembered at once, and for how long without one, in ms. */
const MOST_SENDERS = 256
const SENDER_IDLE_MS = 60_000

/** Ports of the host that lead into a sandbox, from `open` until `close`. */
export interface OpenPorts {
  /** With the numbers that the host chose. */
  readonly ports: readonly PublishedPort[]
  close(): Promise<void>
}

/**
 * Listens on the host for each port. All or none. Errors: `address_in_use` naming the port, `permission_denied` for a low port.
 */
export async function openPorts(wanted: readonly PublishedPort[], connect: ConnectPort): Promise<OpenPorts> {
  const opened: { readonly port: PublishedPort; readonly close: () => Promise<void> }[] = []
  const close = async (): Promise<void> => void (await Promise.all(opened.map((each) => each.close())))
  try {
    for (const port of wanted) opened.push(port.protocol === 'udp' ? await listenUdp(port, connect) : await listenTcp(port, connect))
  } catch (error) {
    await close()
    throw error
  }
  return { ports: opened.map(({ port }) => port), close }
}

async function listenTcp(port: PublishedPort, connect: ConnectPort) {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => socket.destroy())
    void pass(socket, port.sandboxPort, connect)
  })
  await listening(server, port)
  const address = server.address()
  const hostPort = typeof address === 'object' && address !== null ? address.port : port.hostPort
  const close = async (): Promise<void> => {
    for (const socket of open) socket.destroy()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
  return { port: { ...port, hostPort }, close }
}

function listening(server: Server, port: PublishedPort): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(cannotListen(port, error)))
    server.listen(port.hostPort, port.hostAddress, () => resolve())
  })
}

function cannotListen({ hostAddress, hostPort }: PublishedPort, cause: unknown): AppError {
  const place = `${hostAddress}:${hostPort}`
  if (isErrno(cause, 'EADDRINUSE')) return new AppError('address_in_use', `port ${place} of this machine is in use`, { cause })
  if (isErrno(cause, 'EACCES')) {
    const fix = 'Take a port of 1024 or above, or let the machine choose: -P CONTAINER.'
    return new AppError('invalid_argument', `port ${place} of this machine needs root`, { cause, fix })
  }
  if (isErrno(cause, 'EADDRNOTAVAIL')) return new AppError('invalid_argument', `${hostAddress} is no address of this machine`, { cause })
  return new AppError('invalid_argument', `this machine cannot listen on ${place}`, { cause })
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
  socket.on('close', () => inside.close())
  const inward = async (): Promise<void> => {
    for await (const chunk of socket) if (!(await inside.write(chunk as Buffer))) return
    inside.end()
  }
  const outward = async (): Promise<void> => {
    for await (const chunk of inside.input) if (!socket.write(chunk)) await drained(socket)
    socket.end()
  }
  try {
    await Promise.all([inward(), outward()])
  } catch (error) {
    ignore(error, 'one side broke the connection; the other sees it broken')
    socket.destroy()
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

/** One who sends datagrams to a published port, and the way to the sandbox that is his. */
interface Sender {
  readonly inside: Promise<GuestPort | undefined>
  idle: NodeJS.Timeout
}

async function listenUdp(port: PublishedPort, connect: ConnectPort) {
  const senders = new Map<string, Sender>()
  const forget = (key: string): void => {
    const sender = senders.get(key)
    senders.delete(key)
    if (sender === undefined) return
    clearTimeout(sender.idle)
    void sender.inside.then((inside) => inside?.close())
  }
  const socket = await bound(port, (bytes, fromPort, from) => {
    const key = `${from} ${fromPort}`
    let sender = senders.get(key)
    if (sender === undefined) {
      const oldest = senders.keys().next().value
      if (senders.size >= MOST_SENDERS && oldest !== undefined) forget(oldest)
      const inside = answers(connect, port.sandboxPort, (datagram) => socket.send(datagram, fromPort, from))
      sender = { inside, idle: setTimeout(() => forget(key), SENDER_IDLE_MS) }
      senders.set(key, sender)
    }
    sender.idle.refresh()
    const copy = Uint8Array.from(bytes)
    void sender.inside.then((inside) => inside?.write(copy))
  })
  const close = async (): Promise<void> => {
    for (const key of [...senders.keys()]) forget(key)
    socket.close()
  }
  return { port: { ...port, hostPort: socket.port }, close }
}

async function bound(port: PublishedPort, take: (bytes: Uint8Array, fromPort: number, from: string) => void) {
  try {
    return await Bun.udpSocket({
      hostname: port.hostAddress,
      port: port.hostPort,
      socket: { data: (_socket, bytes, fromPort, from) => take(bytes, fromPort, from), error: () => undefined },
    })
  } catch (error) {
    throw cannotListen(port, error)
  }
}

/** A way into the sandbox for one sender, whose answers go back to him. */
async function answers(connect: ConnectPort, port: number, send: (datagram: Uint8Array) => void): Promise<GuestPort | undefined> {
  try {
    const inside = await connect({ port, udp: true }, AbortSignal.timeout(CONNECT_LIMIT_MS))
    void (async () => {
      try {
        for await (const datagram of inside.input) send(datagram)
      } catch (error) {
        ignore(error, 'a datagram may be lost')
      }
    })()
    return inside
  } catch (error) {
    ignore(error, 'datagrams to nobody are lost')
    return undefined
  }
}
