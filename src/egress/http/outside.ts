import { ignore } from '../../lib/ignore.ts'
import { connectTls } from '../tls/connect-tls.ts'
import { pipeOf } from '../tls/pipe-stream.ts'
import type { HttpDoors, Target } from '../types.ts'
import { ByteReader } from './byte-reader.ts'
import type { Pipe } from './pipe.ts'

/** A connection to a server, with what came on it and was not read. */
export interface ServerConnection {
  readonly pipe: Pipe
  readonly reader: ByteReader
  /** True: an answer came on it before, so that the server may have closed it meanwhile. */
  readonly isUsed: boolean
}

const MOST_IDLE = 32
const MOST_IDLE_FOR_ONE = 8
const IDLE_LIMIT_MS = 30_000

/** The connections of one sandbox to servers: kept open between requests, each used for one at a time. */
export class Outside {
  readonly #doors: HttpDoors
  readonly #ca: () => Promise<readonly string[]>
  readonly #idle = new Map<string, { readonly connection: ServerConnection; readonly timer: Timer }[]>()
  #count = 0
  #isClosed = false

  constructor(doors: HttpDoors, ca: () => Promise<readonly string[]>) {
    this.#doors = doors
    this.#ca = ca
  }

  /** One that is idle, or a new one. `fresh`: never an idle one. Throws DialError. */
  async get(target: Target, scheme: 'http' | 'https', fresh = false): Promise<ServerConnection> {
    const idle = fresh ? undefined : this.#takeIdle(keyOf(target, scheme))
    if (idle !== undefined) return idle
    const upstream = await this.#doors.dial(target)
    if (scheme === 'http') return { pipe: upstream, reader: new ByteReader(upstream), isUsed: false }
    const { stream } = await connectTls(upstream, target.host, await this.#ca(), ['http/1.1'])
    const pipe = pipeOf(stream)
    return { pipe, reader: new ByteReader(pipe), isUsed: false }
  }

  /** Gives back a connection whose answer has been read to its end. */
  give(target: Target, scheme: 'http' | 'https', { pipe, reader }: ServerConnection): void {
    const key = keyOf(target, scheme)
    const list = this.#idle.get(key) ?? []
    if (this.#isClosed || reader.hasRest || this.#count >= MOST_IDLE || list.length >= MOST_IDLE_FOR_ONE) return pipe.destroy()
    const connection = { pipe, reader, isUsed: true }
    const entry = { connection, timer: setTimeout(() => this.#drop(key, connection), IDLE_LIMIT_MS) }
    entry.timer.unref()
    list.push(entry)
    this.#idle.set(key, list)
    this.#count++
    void pipe.closed.then(() => this.#drop(key, connection))
  }

  close(): void {
    this.#isClosed = true
    for (const [key, list] of this.#idle) for (const { connection } of [...list]) this.#drop(key, connection)
  }

  #takeIdle(key: string): ServerConnection | undefined {
    const entry = this.#idle.get(key)?.pop()
    if (entry === undefined) return undefined
    clearTimeout(entry.timer)
    this.#count--
    return entry.connection
  }

  #drop(key: string, connection: ServerConnection): void {
    const list = this.#idle.get(key)
    const at = list?.findIndex((entry) => entry.connection === connection) ?? -1
    if (list === undefined || at < 0) return
    const [entry] = list.splice(at, 1)
    if (entry !== undefined) clearTimeout(entry.timer)
    if (list.length === 0) this.#idle.delete(key)
    this.#count--
    try {
      connection.pipe.destroy()
    } catch (error) {
      ignore(error, 'it is gone already')
    }
  }
}

/** What a request may go out on depends on everything that decided about its connection. */
const keyOf = ({ host, port, tag }: Target, scheme: string): string => JSON.stringify([scheme, host, port, tag ?? null])
