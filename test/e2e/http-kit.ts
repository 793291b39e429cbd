import { connect } from 'node:net'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../../src/contract/errors.ts'
import type { SandboxOperations } from '../../src/contract/sandbox-operations.ts'
import { createHttpApp, type HttpApp } from '../../src/http/app.ts'
import { ApiKeys } from '../../src/http/auth.ts'
import type { HttpDeps, HttpLog } from '../../src/http/deps.ts'
import { type Listener, serveTcp, serveUnix, type TcpOptions } from '../../src/http/listeners.ts'
import { Metrics } from '../../src/lib/metrics.ts'
import { createOperations } from '../../src/main/operations.ts'
import { resolvePaths } from '../../src/main/paths.ts'
import { within } from './kit.ts'

export interface HttpWorldOptions {
  readonly keys?: readonly string[]
  readonly sandboxes?: SandboxOperations
  readonly tcp?: Partial<TcpOptions>
  readonly deps?: Partial<HttpDeps>
}

type LogLine = Parameters<HttpLog>

/** The HTTP door on a port and on a unix socket, over the real operations of a user with an empty home. */
export class HttpWorld {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'http ')))
  readonly log: LogLine[] = []
  readonly app: HttpApp
  readonly tcp: Listener
  readonly unix: Listener

  constructor({ keys = [], sandboxes = withoutEngine(), tcp = {}, deps = {} }: HttpWorldOptions = {}) {
    const paths = resolvePaths({ HOME: this.root }, process.execPath)
    this.app = createHttpApp({
      operations: createOperations(paths, { PATH: '/usr/bin:/bin' }),
      sandboxes,
      webhooks: { list: () => [], deadLetters: () => [] },
      proxyHooks: { list: async () => [], add: async () => 0, remove: async () => undefined },
      keys: new ApiKeys(keys),
      version: '1.2.3',
      backend: async () => 'fake',
      sandboxLimit: 0,
      allowSudoExec: false,
      now: () => new Date(),
      log: (...line) => void this.log.push(line),
      metrics: new Metrics(),
      ...deps,
    })
    this.tcp = serveTcp(this.app, { host: '127.0.0.1', port: 0, ...tcp })
    this.unix = serveUnix(this.app, { path: join(this.root, 'daemon.sock'), keys: new ApiKeys(['token']) })
  }

  get url(): string {
    return this.tcp.address
  }

  /** One request through the port. */
  async ask(path: string, init: SentRequest = {}): Promise<Answer> {
    return answerOf(await fetch(this.url + path, requestInit(init)))
  }

  /** One request through the socket, with its token. */
  async askLocally(path: string, init: SentRequest = {}): Promise<Answer> {
    const { headers, ...rest } = requestInit(init)
    return answerOf(
      await fetch(`http://localhost${path}`, { ...rest, unix: this.unix.address, headers: { authorization: 'Bearer token', ...headers } }),
    )
  }

  /** What the server says to these very bytes, until it closes. With `end` our side says that it is done. */
  async raw(text: string | Uint8Array, { end = false, ms = 10_000 } = {}): Promise<string> {
    const socket = connect({ host: '127.0.0.1', port: this.tcp.port ?? 0, allowHalfOpen: true })
    let said = ''
    const closed = new Promise<string>((resolve) => {
      socket.on('data', (data) => (said += data.toString('latin1')))
      socket.on('error', () => resolve(said))
      socket.on('end', () => resolve(said))
    })
    socket.write(text)
    if (end) socket.end()
    try {
      return await within(closed, `the server's end of ${JSON.stringify(String(text).slice(0, 60))}`, ms)
    } finally {
      socket.destroy()
    }
  }

  async stop(): Promise<void> {
    await this.app.drain(1000)
    await Promise.all([this.tcp.stop(), this.unix.stop()])
    rmSync(this.root, { recursive: true, force: true })
  }
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body, where it is JSON. */
  readonly body: Readonly<Record<string, unknown>>
}

export async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text()
  const isJson = response.headers.get('content-type') === 'application/json' && text !== ''
  return { status: response.status, headers: response.headers, text, body: isJson ? (JSON.parse(text) as Answer['body']) : {} }
}

/** A request of a test: `json` is its body, and makes it a POST unless it says otherwise. */
export type SentRequest = BunFetchRequestInit & { readonly json?: unknown }

export function requestInit({ json, ...init }: SentRequest): BunFetchRequestInit & { headers: Record<string, string> } {
  const headers = (init.headers ?? {}) as Record<string, string>
  if (json === undefined) return { ...init, headers }
  return { method: 'POST', ...init, body: JSON.stringify(json), headers: { 'content-type': 'application/json', ...headers } }
}

/** For tests of what comes before the engine: nothing is there, nothing happens, and whatever else reaches it fails. */
function withoutEngine(): SandboxOperations {
  const fail = async (): Promise<never> => {
    throw new AppError('store_failed', 'this test has no engine')
  }
  async function* silence(): AsyncGenerator<never> {}
  const known: Partial<SandboxOperations> = { list: async () => [], events: silence }
  // Every operation is a function of this shape as far as its callers can see.
  return new Proxy(known, { get: (target, name: keyof SandboxOperations) => target[name] ?? fail }) as SandboxOperations
}

/** One event of a stream, as a client sees it. */
export interface ReadEvent {
  readonly event: string
  readonly data: unknown
  readonly id?: number
}

/** Reads a stream of events as it comes. */
export class EventReader {
  readonly response: Response
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  readonly #decoder = new TextDecoder()
  #text = ''

  constructor(response: Response) {
    this.response = response
    // A response of ours has a body.
    this.#reader = response.body!.getReader() as ReadableStreamDefaultReader<Uint8Array>
  }

  /** The next event; undefined at the end. Comments are left out. */
  async next(): Promise<ReadEvent | undefined> {
    for (;;) {
      const end = this.#text.indexOf('\n\n')
      if (end !== -1) {
        const lines = this.#text.slice(0, end).split('\n')
        this.#text = this.#text.slice(end + 2)
        if (lines.every((line) => line.startsWith(':'))) continue
        return parseEvent(lines)
      }
      const { done, value } = await this.#reader.read()
      if (done) return undefined
      this.#text += this.#decoder.decode(value, { stream: true })
    }
  }

  /** The next event of that name. */
  async until(name: string): Promise<ReadEvent> {
    for (;;) {
      const event = await this.next()
      if (event === undefined) throw new Error(`the stream ended without ${name}`)
      if (event.event === name) return event
    }
  }

  /** Everything up to the end. */
  async rest(): Promise<ReadEvent[]> {
    const events: ReadEvent[] = []
    for (let event = await this.next(); event !== undefined; event = await this.next()) events.push(event)
    return events
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel()
  }
}

function parseEvent(lines: readonly string[]): ReadEvent {
  const fields = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]))
  const id = fields['id']
  return { event: fields['event'] ?? '', data: JSON.parse(fields['data'] ?? 'null'), ...(id === undefined ? {} : { id: Number(id) }) }
}
