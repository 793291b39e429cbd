import { AppError } from '../../contract/errors.ts'
import type { PublishedPort } from '../../contract/network.ts'
import { placeOf } from '../../contract/published-port.ts'
import type { GuestPort, PortTarget } from '../../guestlink/index.ts'
import { isErrno } from '../../lib/errno.ts'

/** Connects to a port of the sandbox's loopback. */
export type ConnectPort = (target: PortTarget, signal: AbortSignal) => Promise<GuestPort>

/** One port that is open. */
export interface Listener {
  readonly port: PublishedPort
  /** Nothing new; resolves when nothing is under way. */
  drained(): Promise<void>
  close(): Promise<void>
}

/** Connections and senders of datagrams at once, over all ports of a sandbox: its other connections need room too. */
export const MOST_CONNECTIONS = 192
/** How long the sandbox may take to take a connection, in ms. */
export const CONNECT_LIMIT_MS = 10_000

/** Counts what is open over all ports of one sandbox. */
export class Slots {
  #used = 0

  /** False: there is no more room. */
  take(): boolean {
    if (this.#used >= MOST_CONNECTIONS) return false
    this.#used++
    return true
  }

  free(): void {
    this.#used--
  }
}

/** Why this machine cannot listen there. */
export function cannotListen(port: PublishedPort, cause: unknown): AppError {
  const { hostAddress, sandboxPort } = port
  const place = placeOf(port)
  if (isErrno(cause, 'EADDRINUSE')) {
    const fix = `Stop what listens there, publish another port, or let this machine choose a free one: ${sandboxPort}.`
    return new AppError('address_in_use', `port ${place} of this machine is in use`, { cause, fix })
  }
  if (isErrno(cause, 'EACCES', 'EPERM')) {
    const fix = `Take a port of 1024 or above, or let this machine choose a free one: ${sandboxPort}.`
    return new AppError('invalid_argument', `port ${place} of this machine needs root`, { cause, fix })
  }
  if (isErrno(cause, 'EADDRNOTAVAIL')) return new AppError('invalid_argument', `${hostAddress} is no address of this machine`, { cause })
  return new AppError('invalid_argument', `this machine cannot listen on ${place}`, { cause })
}
