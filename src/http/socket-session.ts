import type { ServerWebSocket } from 'bun'
import { AppError } from '../contract/errors.ts'
import { type ControlMessage, MAX_SOCKET_CHUNK_BYTES, SOCKET_STDERR, SOCKET_STDIN, SOCKET_STDOUT } from '../contract/exec-socket.ts'
import type { ServerMessage } from '../contract/exec-socket.ts'
import { ControlMessageSchema } from '../contract/schemas/exec-socket.ts'
import type { ExecChunk, ExecSession } from '../contract/sandbox-operations.ts'
import { failureOf } from './envelope.ts'
import type { Exchange } from './exchange.ts'
import { readInput } from './input.ts'
import { StdinQueue } from './stdin-queue.ts'

export interface SocketData {
  readonly session: SocketSession
}
type Socket = ServerWebSocket<SocketData>

/** What the first message asked for. */
export interface SocketStart {
  readonly session: Promise<ExecSession>
  readonly stdin: boolean
}
/** Reads the first message and starts what it asks for. Aborting `signal` ends the command, or the visit. */
export type SocketStarter = (message: Readonly<Record<string, unknown>>, signal: AbortSignal) => SocketStart

const CLOSE_DONE = 1000
const CLOSE_REFUSED = 1008
const CLOSE_FAILED = 1011
/** The service restarts: the command goes on, and can be attached to again. */
const CLOSE_RESTART = 1012

/** One exec WebSocket, from its opening to its close. */
export class SocketSession {
  readonly #exchange: Exchange
  readonly #release: () => void
  readonly #start: SocketStarter
  readonly #gone = new AbortController()
  readonly #stdin: StdinQueue
  #socket: Socket | undefined
  #timer: Timer | undefined
  #phase: 'waiting' | 'running' | 'ended' = 'waiting'
  #session: ExecSession | undefined
  /** Control messages that came before the command had started. */
  #early: ControlMessage[] = []
  #drained: () => void = () => undefined

  constructor(exchange: Exchange, release: () => void, start: SocketStarter) {
    this.#exchange = exchange
    this.#release = release
    this.#start = start
    this.#stdin = new StdinQueue((bytes) => this.#tell({ type: 'stdin_credit', bytes }))
  }

  opened(socket: Socket): void {
    this.#socket = socket
    const { limits, traffic } = this.#exchange
    this.#timer = setTimeout(
      () => this.#fail(new AppError('timed_out', `no message within ${limits.socketFirstMessageMs} ms`), CLOSE_REFUSED),
      limits.socketFirstMessageMs,
    )
    traffic.forced.addEventListener('abort', this.#onForced, { once: true })
    if (traffic.forced.aborted) this.#onForced()
  }

  received(message: string | Uint8Array): void {
    if (this.#phase === 'ended') return
    try {
      if (typeof message === 'string') this.#text(message)
      else this.#binary(message)
    } catch (error) {
      this.#fail(error, CLOSE_REFUSED)
    }
  }

  drained(): void {
    this.#drained()
  }

  closed(): void {
    clearTimeout(this.#timer)
    this.#phase = 'ended'
    const { traffic } = this.#exchange
    traffic.forced.removeEventListener('abort', this.#onForced)
    // Our own end is not the client's: a command outlives the server that it was started through.
    if (!traffic.forced.aborted) this.#gone.abort(new AppError('canceled', 'the client closed the WebSocket'))
    this.#stdin.stop()
    this.#drained()
    this.#release()
  }

  readonly #onForced = (): void => this.#close(CLOSE_RESTART, 'the server is shutting down')

  #text(text: string): void {
    const message = parseObject(text)
    if (this.#phase === 'waiting') {
      clearTimeout(this.#timer)
      this.#phase = 'running'
      const started = this.#start(message, this.#gone.signal)
      this.#stdin.open = started.stdin
      void this.#carry(started.session)
      return
    }
    const { input } = readInput(ControlMessageSchema, { params: {}, query: new URLSearchParams(), body: message })
    if (this.#session === undefined) this.#keepEarly(input)
    else this.#control(this.#session, input)
  }

  #keepEarly(message: ControlMessage): void {
    if (this.#early.length >= 64) throw new AppError('too_many_requests', 'wait for `started` before further messages')
    this.#early.push(message)
  }

  #control(session: ExecSession, message: ControlMessage): void {
    if (message.type === 'resize') session.resize(message.cols, message.rows)
    else if (message.type === 'signal') session.signal(message.signal)
    else this.#stdin.end()
  }

  #binary(message: Uint8Array): void {
    if (this.#phase === 'waiting') throw new AppError('invalid_argument', 'the first message must be JSON text')
    if (message[0] !== SOCKET_STDIN) throw new AppError('invalid_argument', `channel ${String(message[0])} is not for clients; 0 is stdin`)
    this.#stdin.push(message.subarray(1))
  }

  /** The command from its start to the close of the socket. */
  async #carry(starting: Promise<ExecSession>): Promise<void> {
    try {
      const session = await starting
      this.#session = session
      this.#tell({ type: 'started', id: session.id, pid: session.pid })
      for (const message of this.#early.splice(0)) this.#control(session, message)
      void this.#stdin.flow(session)
      for await (const chunk of session.output) await this.#pass(chunk)
      const { exit_code, ended, signal, duration_ms } = await session.result
      this.#tell({ type: 'exit', exit_code, ended, duration_ms, ...(signal === undefined ? {} : { signal }) })
      this.#close(CLOSE_DONE, '')
    } catch (error) {
      this.#fail(error, CLOSE_FAILED)
    }
  }

  /** Resolves when the client has room for more. */
  async #pass(chunk: ExecChunk): Promise<void> {
    if ('gap' in chunk) return this.#tell({ type: 'gap', stream: chunk.channel, offset: chunk.offset })
    const channel = chunk.channel === 'stdout' ? SOCKET_STDOUT : SOCKET_STDERR
    for (let at = 0; at < chunk.bytes.length && this.#phase !== 'ended'; at += MAX_SOCKET_CHUNK_BYTES) {
      const part = chunk.bytes.subarray(at, at + MAX_SOCKET_CHUNK_BYTES)
      const frame = new Uint8Array(part.length + 1)
      frame[0] = channel
      frame.set(part, 1)
      // -1: taken, but the client is behind.
      if (this.#socket?.sendBinary(frame) === -1) await new Promise<void>((resolve) => (this.#drained = resolve))
    }
  }

  #tell(message: ServerMessage): void {
    if (this.#phase !== 'ended') this.#socket?.sendText(JSON.stringify(message))
  }

  #fail(error: unknown, close: number): void {
    const { body, bug } = failureOf(error)
    if (bug) this.#exchange.deps.log('error', 'a WebSocket failed', { request_id: this.#exchange.id, error: String(error) })
    this.#tell({ type: 'error', code: String(body['code']), message: String(body['error']), fix: String(body['fix']) })
    this.#close(close, String(body['code']))
  }

  #close(code: number, reason: string): void {
    if (this.#phase === 'ended') return
    this.#phase = 'ended'
    this.#socket?.close(code, reason)
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>
  } catch (error) {
    throw new AppError('invalid_argument', 'Invalid JSON in a text message', { cause: error })
  }
  throw new AppError('invalid_argument', 'Invalid JSON: expected an object')
}
