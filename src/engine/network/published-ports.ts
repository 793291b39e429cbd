import { isAppError } from '../../contract/errors.ts'
import type { PublishedPort } from '../../contract/network.ts'
import { type ConnectPort, type Listener, Slots } from './published-listener.ts'
import { listenTcp } from './published-tcp.ts'
import { listenUdp } from './published-udp.ts'

/** Ports of the host that lead into a sandbox, from `openPorts` until `close`. */
export interface OpenPorts {
  /** With the numbers that the host chose. */
  readonly ports: readonly PublishedPort[]
  /**
   * Takes nothing new, and resolves when all that a sandbox which has ended said last is with those who asked, or after that many ms.
   * `close` comes after it.
   */
  drain(limitMs: number): Promise<void>
  /** Resolves when nothing listens any more. Safe to repeat. */
  close(): Promise<void>
}

/**
 * Listens on the host for each port. All or none. `before` are numbers that the host chose earlier for the same ports: they are tried
 * first. Errors: `address_in_use` naming the port, `invalid_argument` for a low port or an address that is not this machine's.
 */
export async function openPorts(
  wanted: readonly PublishedPort[],
  connect: ConnectPort,
  before: readonly PublishedPort[] = [],
): Promise<OpenPorts> {
  const opened: Listener[] = []
  const slots = new Slots()
  const close = async (): Promise<void> => void (await Promise.all(opened.map((each) => each.close())))
  const listen = (port: PublishedPort): Promise<Listener> =>
    port.protocol === 'udp' ? listenUdp(port, connect, slots) : listenTcp(port, connect, slots)
  try {
    for (const port of wanted) opened.push(await listenAsBefore(port, before, listen))
  } catch (error) {
    await close()
    throw error
  }
  return {
    ports: opened.map(({ port }) => port),
    close,
    drain: async (limitMs) => {
      const over = Promise.withResolvers<void>()
      const timer = setTimeout(over.resolve, limitMs)
      await Promise.race([Promise.all(opened.map((each) => each.drained())), over.promise])
      clearTimeout(timer)
    },
  }
}

/** A port of the host's choice keeps its number while nobody else has it. */
async function listenAsBefore(
  port: PublishedPort,
  before: readonly PublishedPort[],
  listen: (port: PublishedPort) => Promise<Listener>,
): Promise<Listener> {
  const same = before.find(
    ({ hostAddress, sandboxPort, protocol }) =>
      hostAddress === port.hostAddress && sandboxPort === port.sandboxPort && protocol === port.protocol,
  )
  if (port.hostPort !== 0 || same === undefined) return listen(port)
  try {
    return await listen(same)
  } catch (error) {
    if (isAppError(error, 'address_in_use')) return listen(port)
    throw error
  }
}
