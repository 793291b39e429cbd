import { pipeOf } from '../tls/pipe-stream.ts'
import type { HttpDoors, Target } from '../types.ts'
import type { TlsClient } from '../tls/connect-tls.ts'
import type { Answer, Incoming } from './message.ts'
import { isIdempotent } from './message.ts'
import type { Pipe } from './pipe.ts'
import { ServerConnection, StaleConnection } from './server-connection.ts'

export type Scheme = 'http' | 'https'

const MOST_IDLE = 64
const MOST_IDLE_FOR_ONE = 16
const IDLE_LIMIT_MS = 30_000
/** Many servers close after five seconds; what cannot be sent twice takes no chance. */
const SURE_MS = 4_000

interface Idle {
  readonly connection: ServerConnection
  readonly sinceMs: number
  readonly timer: Timer
}

/** The connections of one sandbox to servers of HTTP/1.1: kept open between requests, each used for one at a time. */
export class Outside {
  readonly #doors: HttpDoors
  readonly #tls: TlsClient
  readonly #responseMs: number
  readonly #idle = new Map<string, Idle[]>()
  #count = 0
  #isClosed = false

  /** `responseMs`: how long a server may take to begin its answer. */
  constructor(doors: HttpDoors, tls: TlsClient, responseMs: number) {
    this.#doors = doors
    this.#tls = tls
    this.#responseMs = responseMs
  }

  /** Sends a request. `onConnection` is told what breaks it off. Throws what `ServerConnection.send` throws, and DialError. */
  async send(request: Incoming, target: Target, scheme: Scheme, onConnection: (pipe: Pipe) => void): Promise<Answer> {
    const idle = this.#takeIdle(keyOf(target, scheme), isIdempotent(request.head.method) ? IDLE_LIMIT_MS : SURE_MS)
    if (idle !== undefined) {
      try {
        onConnection(idle.pipe)
        return await idle.send(request, this.#responseMs)
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error
      }
    }
    const fresh = await this.#connect(target, scheme)
    onConnection(fresh.pipe)
    return await fresh.send(request, this.#responseMs)
  }

  close(): void {
    this.#isClosed = true
    for (const [key, list] of this.#idle) for (const entry of [...list]) this.#drop(key, entry)
  }

  async #connect(target: Target, scheme: Scheme): Promise<ServerConnection> {
    const upstream = await this.#doors.dial(target)
    const pipe = scheme === 'http' ? upstream : pipeOf((await this.#tls.connect(upstream, target.host, ['http/1.1'])).stream)
    const key = keyOf(target, scheme)
    return new ServerConnection(pipe, (connection) => this.#keep(key, connection))
  }

  #keep(key: string, connection: ServerConnection): void {
    const list = this.#idle.get(key) ?? []
    if (this.#isClosed || this.#count >= MOST_IDLE || list.length >= MOST_IDLE_FOR_ONE) return connection.pipe.destroy()
    const timer = setTimeout(() => this.#drop(key, entry), IDLE_LIMIT_MS)
    timer.unref()
    const entry: Idle = { connection, sinceMs: performance.now(), timer }
    list.push(entry)
    this.#idle.set(key, list)
    this.#count++
    void connection.untilSpoiled().then(() => this.#drop(key, entry))
  }

  #takeIdle(key: string, mostMs: number): ServerConnection | undefined {
    const list = this.#idle.get(key)
    const last = list?.at(-1)
    if (list === undefined || last === undefined || performance.now() - last.sinceMs > mostMs) return undefined
    this.#remove(key, list, list.length - 1)
    return last.connection
  }

  /** Does nothing for one that has been taken meanwhile. */
  #drop(key: string, entry: Idle): void {
    const list = this.#idle.get(key)
    const at = list?.indexOf(entry) ?? -1
    if (list === undefined || at < 0) return
    this.#remove(key, list, at)
    entry.connection.pipe.destroy()
  }

  #remove(key: string, list: Idle[], at: number): void {
    for (const { timer } of list.splice(at, 1)) clearTimeout(timer)
    if (list.length === 0) this.#idle.delete(key)
    this.#count--
  }
}

/** What a request may go out on depends on everything that decided about its connection. */
const keyOf = ({ host, port, tag }: Target, scheme: string): string => `${scheme} ${host} ${port} ${tag ?? ''}`
