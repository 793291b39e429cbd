import type { Target } from '../../types.ts'
import type { Pipe } from '../pipe.ts'
import { Http2Server } from './server-http2.ts'

const IDLE_LIMIT_MS = 30_000
/** Hosts of which is remembered that they do not speak HTTP/2. */
const MOST_KNOWN = 256

/** The connections of one sandbox to servers of HTTP/2. */
export class Http2Pool {
  readonly #servers = new Map<string, Set<Http2Server>>()
  /** One connection is made at a time for each key: who comes meanwhile shares it. */
  readonly #opening = new Map<string, Promise<unknown>>()
  readonly #without = new Set<string>()
  #isClosed = false

  /** One that takes a request now. */
  find(key: string): Http2Server | undefined {
    for (const server of this.#servers.get(key) ?? []) if (server.isUsable) return server
    return undefined
  }

  /** True: the last connection showed that there is no HTTP/2. */
  isWithout(key: string): boolean {
    return this.#without.has(key)
  }

  remember(key: string): void {
    if (this.#without.size >= MOST_KNOWN) this.#without.clear()
    this.#without.add(key)
  }

  /** The connection that is being opened; undefined: none is. */
  opening(key: string): Promise<unknown> | undefined {
    return this.#opening.get(key)
  }

  /** Opens a connection with `open`, while nobody else does. */
  async open<T>(key: string, open: () => Promise<T>): Promise<T> {
    const opened = open()
    this.#opening.set(key, opened)
    try {
      return await opened
    } finally {
      if (this.#opening.get(key) === opened) this.#opening.delete(key)
    }
  }

  add(key: string, pipe: Pipe, target: Target, scheme: 'http' | 'https'): Http2Server {
    let timer: Timer | undefined
    const server: Http2Server = new Http2Server(pipe, target, scheme, () => {
      clearTimeout(timer)
      timer = setTimeout(() => (server.isIdle ? server.leave() : undefined), IDLE_LIMIT_MS)
      timer.unref()
    })
    const servers = this.#servers.get(key) ?? new Set()
    this.#servers.set(key, servers.add(server))
    void server.run().then(() => {
      clearTimeout(timer)
      servers.delete(server)
      if (servers.size === 0 && this.#servers.get(key) === servers) this.#servers.delete(key)
    })
    if (this.#isClosed) server.destroy()
    return server
  }

  close(): void {
    this.#isClosed = true
    for (const servers of this.#servers.values()) for (const server of [...servers]) server.destroy()
  }
}
