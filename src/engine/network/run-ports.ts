import type { PublishedPort } from '../../contract/network.ts'
import { farPortNotices, formatPublishedPort, placeOf } from '../../contract/published-port.ts'
import type { RunPorts } from '../../drivers/driver.ts'
import { Guest } from '../../guestlink/guest.ts'
import { ignore } from '../../lib/ignore.ts'
import { openPorts } from './published-ports.ts'

/** As long as a sandbox may take to start, in ms. */
const HELLO_LIMIT_MS = 120_000
/** How long what a server said last may take to be with those who asked, in ms. */
const LAST_WORDS_MS = 2_000

/** Published ports of one run. */
export interface OpenRunPorts {
  readonly forDriver: RunPorts
  /** With the numbers that the host chose, as text. */
  readonly ports: readonly string[]
  /** For the user, before the command. */
  readonly notices: readonly string[]
  /** Call it once, when the command has ended or will not start. Resolves when nothing listens any more. */
  close(): Promise<void>
}

/** Listens before the command starts; what comes meanwhile waits for it. Errors: those of `openPorts`; then nothing listens. */
export async function openRunPorts(wanted: readonly PublishedPort[], version: string): Promise<OpenRunPorts> {
  const attached = Promise.withResolvers<Guest>()
  attached.promise.catch((error: unknown) => ignore(error, 'whoever connects to a port is told'))
  let isAttached = false
  const open = await openPorts(wanted, async (target, signal) => (await attached.promise).connectPort(target, signal))
  return {
    forDriver: {
      attach: (fd) => {
        isAttached = true
        attached.resolve(Guest.connect({ fd }, { role: 'client', version, helloLimitMs: HELLO_LIMIT_MS }))
      },
    },
    ports: open.ports.map(formatPublishedPort),
    notices: [...open.ports.map(publishedNotice), ...farPortNotices(open.ports)],
    close: async () => {
      if (isAttached) await lastWords(attached.promise, open.drain)
      await open.close()
      await leave(isAttached ? attached.promise : undefined)
    },
  }
}

/** `published 127.0.0.1:49153 -> 8080`. */
function publishedNotice(port: PublishedPort): string {
  return `published ${placeOf(port)} -> ${port.sandboxPort}${port.protocol === 'udp' ? '/udp' : ''}`
}

/** Process 1 is gone, so its side of the connection has ended; what it had said is still to be read. */
async function lastWords(guest: Promise<Guest>, drain: (limitMs: number) => Promise<void>): Promise<void> {
  try {
    await Promise.race([(await guest).closed, Bun.sleep(LAST_WORDS_MS)])
    await drain(LAST_WORDS_MS)
  } catch (error) {
    ignore(error, 'it ended before anybody could connect')
  }
}

async function leave(guest: Promise<Guest> | undefined): Promise<void> {
  try {
    await (await guest)?.connection.bye()
  } catch (error) {
    ignore(error, 'it was never there')
  }
}
