import type { Server, ServerWebSocket } from 'bun'

/** A request as it arrived, its body as text. */
export interface Seen {
  readonly method: string
  /** As sent: nothing is decoded. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Headers
  readonly body: string
}

type Reply = (seen: Seen, request: Request) => Response | Promise<Response>

/** What a WebSocket of the fixture does. */
export interface SocketScript {
  open?(socket: ServerWebSocket<Seen>): void
  message?(socket: ServerWebSocket<Seen>, message: string | Buffer): void
  close?(socket: ServerWebSocket<Seen>): void
}

export interface FixtureOptions {
  /** Bodies are not read: the reply does so itself. */
  readonly rawBodies?: boolean
  readonly socket?: SocketScript
  /** The protocol that is chosen, where one is offered. */
  readonly protocol?: string
}

/** A real HTTP server that answers as one test says, and remembers what it was asked. */
export class FixtureServer implements Disposable {
  readonly seen: Seen[] = []
  readonly #server: Server<Seen>

  constructor(reply: Reply, options: FixtureOptions = {}) {
    const { rawBodies = false, socket = {}, protocol } = options
    this.#server = Bun.serve<Seen>({
      hostname: '127.0.0.1',
      port: 0,
      idleTimeout: 0,
      fetch: async (request, server) => {
        const { pathname, searchParams } = new URL(request.url)
        const body = rawBodies ? '' : await request.text()
        const seen = { method: request.method, path: pathname, query: searchParams, headers: request.headers, body }
        this.seen.push(seen)
        if (request.headers.get('upgrade') === 'websocket') {
          const headers: Record<string, string> = protocol === undefined ? {} : { 'Sec-WebSocket-Protocol': protocol }
          if (server.upgrade(request, { data: seen, headers })) return undefined
        }
        return reply(seen, request)
      },
      websocket: {
        idleTimeout: 0,
        open: (ws) => socket.open?.(ws),
        message: (ws, message) => socket.message?.(ws, message),
        close: (ws) => socket.close?.(ws),
      },
    })
  }

  get url(): string {
    return this.#server.url.origin
  }

  /** The newest request. */
  get last(): Seen {
    const last = this.seen.at(-1)
    if (last === undefined) throw new Error('nothing was asked')
    return last
  }

  [Symbol.dispose](): void {
    void this.#server.stop(true)
  }
}

/** An answer in the envelope. */
export function data(value: unknown, init: ResponseInit = {}): Response {
  return Response.json({ success: true, data: value }, init)
}

/** An error in the envelope. */
export function refusal(status: number, fields: Record<string, unknown>): Response {
  return Response.json({ success: false, ...fields }, { status })
}

/** A stream of events: `[name, data]`, or a text that is sent as it is. */
export function events(
  items: Iterable<readonly [string, unknown] | string> | AsyncIterable<readonly [string, unknown] | string>,
): Response {
  async function* text(): AsyncGenerator<Uint8Array> {
    const encoder = new TextEncoder()
    for await (const item of items) {
      yield encoder.encode(typeof item === 'string' ? item : `event: ${item[0]}\ndata: ${JSON.stringify(item[1])}\n\n`)
    }
  }
  return new Response(text() as unknown as ReadableStream, { headers: { 'Content-Type': 'text/event-stream' } })
}

/** A moment that a test waits for. */
export function moment<T = void>(): { readonly reached: Promise<T>; readonly reach: (value: T) => void } {
  const { promise, resolve } = Promise.withResolvers<T>()
  return { reached: promise, reach: resolve }
}
