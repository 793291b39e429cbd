import type { PublishedPort } from '../../contract/network.ts'
import type { GuestPort } from '../../guestlink/index.ts'
import { ignore } from '../../lib/ignore.ts'
import { cannotListen, CONNECT_LIMIT_MS, type ConnectPort, type Listener, type Slots } from './published-listener.ts'

/** Senders of datagrams that a port remembers at once, and for how long without one, in ms. */
const MOST_SENDERS = 64
const SENDER_IDLE_MS = 60_000
/** Bytes of one sender that wait for the sandbox; what is more is lost, as datagrams are. */
const MOST_WAITING_BYTES = 256 * 1024

/** Listens for one UDP port. Errors: those of `cannotListen`. */
export async function listenUdp(port: PublishedPort, connect: ConnectPort, slots: Slots): Promise<Listener> {
  const senders = new Map<string, Sender>()
  const forget = (key: string): void => {
    if (!senders.has(key)) return
    senders.get(key)?.close()
    senders.delete(key)
    slots.free()
  }
  const socket = await bound(port, (bytes, fromPort, from) => {
    const key = `${from} ${fromPort}`
    let sender = senders.get(key)
    if (sender === undefined) {
      // The one who was there first has been quiet for longest: see below.
      const oldest = senders.keys().next().value
      if (senders.size >= MOST_SENDERS && oldest !== undefined) forget(oldest)
      if (!slots.take()) return
      sender = new Sender(connect, port.sandboxPort, {
        answer: (datagram) => void socket.send(datagram, fromPort, from),
        idle: () => forget(key),
      })
    } else {
      senders.delete(key)
    }
    senders.set(key, sender)
    sender.send(bytes)
  })
  let open = true
  return {
    port: { ...port, hostPort: socket.port },
    drained: async () => undefined,
    close: async () => {
      if (!open) return
      open = false
      for (const key of [...senders.keys()]) forget(key)
      socket.close()
    },
  }
}

/** One who sends datagrams to a published port, and the way to the sandbox that is his. */
class Sender {
  readonly #inside: Promise<GuestPort | undefined>
  readonly #idle: NodeJS.Timeout
  #waitingBytes = 0
  #isClosed = false

  constructor(connect: ConnectPort, port: number, told: { readonly answer: (datagram: Uint8Array) => void; readonly idle: () => void }) {
    const answer = (datagram: Uint8Array): void => {
      if (!this.#isClosed) told.answer(datagram)
    }
    this.#inside = wayIn(connect, port, answer, told.idle)
    this.#idle = setTimeout(told.idle, SENDER_IDLE_MS)
    this.#idle.unref()
  }

  send(bytes: Uint8Array): void {
    this.#idle.refresh()
    if (this.#waitingBytes + bytes.length > MOST_WAITING_BYTES) return
    this.#waitingBytes += bytes.length
    void this.#pass(Uint8Array.from(bytes))
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#idle)
    void this.#inside.then((inside) => inside?.close())
  }

  async #pass(datagram: Uint8Array): Promise<void> {
    await (await this.#inside)?.write(datagram)
    this.#waitingBytes -= datagram.length
  }
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

/** A way into the sandbox for one sender, whose answers go back to him; `lost` is called when it ends. Never rejects. */
async function wayIn(
  connect: ConnectPort,
  port: number,
  answer: (datagram: Uint8Array) => void,
  lost: () => void,
): Promise<GuestPort | undefined> {
  try {
    const inside = await connect({ port, udp: true }, AbortSignal.timeout(CONNECT_LIMIT_MS))
    void answers(inside, answer, lost)
    return inside
  } catch (error) {
    ignore(error, 'datagrams to nobody are lost')
    lost()
    return undefined
  }
}

async function answers(inside: GuestPort, answer: (datagram: Uint8Array) => void, lost: () => void): Promise<void> {
  try {
    for await (const datagram of inside.input) answer(datagram)
  } catch (error) {
    ignore(error, 'a datagram may be lost')
  }
  lost()
}
