import type { HttpProtocol, TlsClient } from '../tls/connect-tls.ts'
import { DialError, type HttpDoors, type Target } from '../types.ts'
import type { Http2Server } from './h2/server-http2.ts'
import { Http2Pool } from './h2/server-pool.ts'
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
const MOST_TRIES = 3

interface Idle {
  readonly connection: ServerConnection
  readonly sinceMs: number
  readonly timer: Timer
}

/** Told how a request can be broken off from now on. */
export type OnCancel = (cancel: () => void) => void

interface Connected {
  readonly pipe: Pipe
  readonly protocol: HttpProtocol
}

/** The connections of one sandbox to servers, kept open between requests: those of HTTP/1.1 here, those of HTTP/2 in a pool. */
export class Outside {
  readonly #doors: HttpDoors
  readonly #tls: TlsClient
  readonly #responseMs: number
  readonly #idle = new Map<string, Idle[]>()
  readonly #http2 = new Http2Pool()
  #count = 0
  #isClosed = false

  /** `responseMs`: how long a server may take to begin its answer. */
  constructor(doors: HttpDoors, tls: TlsClient, responseMs: number) {
    this.#doors = doors
    this.#tls = tls
    this.#responseMs = responseMs
  }

  /**
   * Sends a request over HTTP/1.1. `onCancel` is told what breaks it off. Throws what `ServerConnection.send` throws, and DialError; never
   * StaleConnection.
   */
  async send(request: Incoming, target: Target, scheme: Scheme, onCancel: OnCancel): Promise<Answer> {
    const idle = this.#takeIdle(keyOf(target, scheme), isIdempotent(request.head.method) ? IDLE_LIMIT_MS : SURE_MS)
    if (idle !== undefined) {
      try {
        return await this.#sendOn(idle, request, onCancel)
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error
      }
    }
    return await this.#sendOn(this.#connection(await this.#connect(target, scheme, ['http/1.1']), target, scheme), request, onCancel)
  }

  /** As `send`, over HTTP/2 where the server speaks it. Without TLS it must, since the program does. */
  async sendHttp2(request: Incoming, target: Target, scheme: Scheme, onCancel: OnCancel): Promise<Answer> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const server = await this.#server(target, scheme)
      if (server === undefined) return await this.send(request, target, scheme, onCancel)
      try {
        if (server instanceof ServerConnection) return await this.#sendOn(server, request, onCancel)
        if (server.isUsable) return await server.send(request, this.#responseMs, onCancel)
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error
      }
    }
    throw new DialError('refused', 'the server takes no requests')
  }

  close(): void {
    this.#isClosed = true
    this.#http2.close()
    for (const [key, list] of this.#idle) for (const entry of [...list]) this.#drop(key, entry)
  }

  #sendOn(connection: ServerConnection, request: Incoming, onCancel: OnCancel): Promise<Answer> {
    onCancel(() => connection.pipe.destroy())
    return connection.send(request, this.#responseMs)
  }

  /** One that has room, or a new one; undefined: there is no HTTP/2. Who comes while one is being opened waits for that, and shares its failure. */
  async #server(target: Target, scheme: Scheme): Promise<Http2Server | ServerConnection | undefined> {
    const key = keyOf(target, scheme)
    for (;;) {
      if (this.#http2.isWithout(key)) return undefined
      const found = this.#http2.find(key)
      if (found !== undefined) return found
      const opening = this.#http2.opening(key)
      if (opening === undefined) break
      await opening
    }
    return await this.#http2.open(key, async () => {
      const connected = await this.#connect(target, scheme, ['h2', 'http/1.1'])
      if (connected.protocol === 'h2') return this.#http2.add(key, connected.pipe, target, scheme)
      this.#http2.remember(key)
      return this.#connection(connected, target, scheme)
    })
  }

  /** Without TLS there is nothing to choose: it is the first protocol. */
  async #connect(target: Target, scheme: Scheme, protocols: readonly HttpProtocol[]): Promise<Connected> {
    const upstream = await this.#doors.dial(target)
    if (scheme === 'http') return { pipe: upstream, protocol: protocols[0] ?? 'http/1.1' }
    return await this.#tls.connect(upstream, target.host, protocols)
  }

  #connection({ pipe }: Connected, target: Target, scheme: Scheme): ServerConnection {
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
