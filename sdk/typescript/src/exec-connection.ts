import { WeighedQueue } from './weighed-queue.ts'
import { type ErrorDetails, errorFromMessage, isRecord, NetworkError, StreamError } from './errors.ts'
import {
  type ClientMessage,
  INITIAL_STDIN_CREDIT,
  MAX_SOCKET_CHUNK_BYTES,
  SOCKET_STDERR,
  SOCKET_STDIN,
  SOCKET_STDOUT,
} from './exec-socket.ts'
import { StdinCredit } from './stdin-credit.ts'
import type { ExecChunk, ExecEnd } from './types/commands.ts'
import type { WebSocketLike } from './web-socket.ts'

/** Unread output at which the socket is told to wait, and at which it may go on, in bytes. */
const PAUSE_AT = 4 * 1024 ** 2
const RESUME_AT = 1024 ** 2
/** Unread output that is too much where a socket cannot wait, in bytes. */
const GIVE_UP_AT = 256 * 1024 ** 2

/** One WebSocket that carries a command's streams: messages in and out, and who waits for what. */
export class ExecConnection {
  /** Rejects when the command was not started. */
  readonly started: Promise<{ id: string; pid: number }>
  readonly result: Promise<ExecEnd>
  readonly output: WeighedQueue<ExecChunk>
  readonly #socket: WebSocketLike
  readonly #credit = new StdinCredit(INITIAL_STDIN_CREDIT)
  readonly #begun = deferred<{ id: string; pid: number }>()
  readonly #ended = deferred<ExecEnd>()
  /** Writes in the order in which they were asked for. */
  #writing: Promise<void> = Promise.resolve()
  #opened = false
  #paused = false
  #over = false
  #exited = false

  constructor(socket: WebSocketLike, first: ClientMessage) {
    this.started = this.#begun.promise
    this.result = this.#ended.promise
    this.output = new WeighedQueue((weight) => this.#onWeight(weight))
    this.#socket = socket
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => {
      this.#opened = true
      this.send(first)
    }
    socket.onmessage = (event: { data: unknown }) => this.#onMessage(event.data)
    // What follows an error is a close; only the error says what went wrong, and only in some runtimes.
    let said = ''
    socket.onerror = (event: { message?: unknown }) => {
      said = typeof event.message === 'string' ? event.message : ''
    }
    socket.onclose = (event: { code?: number; reason?: string }) => this.#onClose(event, said)
  }

  /** The command has ended and the server has said how. */
  get exited(): boolean {
    return this.#exited
  }

  send(message: ClientMessage): void {
    if (!this.#over) this.#socket.send(JSON.stringify(message))
  }

  /** Resolves when all of it was sent. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#inOrder(async () => {
      let rest = bytes
      while (rest.length > 0) {
        const size = await this.#credit.take(Math.min(rest.length, MAX_SOCKET_CHUNK_BYTES))
        const message = new Uint8Array(size + 1)
        message[0] = SOCKET_STDIN
        message.set(rest.subarray(0, size), 1)
        this.#socket.send(message)
        rest = rest.subarray(size)
      }
    })
  }

  closeStdin(): Promise<void> {
    return this.#inOrder(async () => this.send({ type: 'stdin_eof' }))
  }

  /** Ends everything that waits, with `error`. */
  fail(error: unknown): void {
    if (this.#over) return
    this.#over = true
    this.#begun.reject(error)
    this.#ended.reject(error)
    this.output.end(error)
    this.#credit.close(error)
    this.#close()
  }

  #inOrder(work: () => Promise<void>): Promise<void> {
    const done = this.#writing.then(work)
    this.#writing = done
    // Whoever asked for the write hears of its failure; nobody need be listening here.
    done.catch(() => undefined)
    return done
  }

  #onMessage(data: unknown): void {
    if (this.#over) return
    if (typeof data === 'string') this.#onControl(data)
    else if (data instanceof ArrayBuffer) this.#onBytes(new Uint8Array(data))
    else if (data instanceof Uint8Array) this.#onBytes(data)
    else this.#broken('a message of an unknown kind')
  }

  #onBytes(message: Uint8Array): void {
    const channel = message[0]
    if (channel !== SOCKET_STDOUT && channel !== SOCKET_STDERR) return this.#broken(`bytes of channel ${channel ?? 'none'}`)
    const bytes = message.subarray(1)
    if (bytes.length > 0) this.output.push({ channel: channel === SOCKET_STDOUT ? 'stdout' : 'stderr', bytes }, bytes.length)
  }

  #onControl(text: string): void {
    const message = parseObject(text)
    switch (message?.['type']) {
      case 'started':
        return this.#begun.resolve({ id: String(message['id']), pid: Number(message['pid']) })
      case 'stdin_credit':
        return this.#onCredit(message['bytes'])
      case 'gap':
        return this.output.push(
          { channel: message['stream'] === 'stderr' ? 'stderr' : 'stdout', gap: true, offset: Number(message['offset']) },
          0,
        )
      case 'exit':
        return this.#onExit(message)
      case 'error':
        return this.fail(errorFromMessage(message))
      case undefined:
        return this.#broken('text that is no message')
    }
    // Types of a newer server are not for us.
  }

  #onCredit(bytes: unknown): void {
    if (typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes >= 0) this.#credit.grant(bytes)
    else this.#broken('credit that is no number of bytes')
  }

  #onExit(message: Readonly<Record<string, unknown>>): void {
    const exitCode = message['exit_code']
    if (typeof exitCode !== 'number') return this.#broken('an end without an exit code')
    this.#over = true
    this.#exited = true
    this.#begun.reject(new StreamError('the command ended before it began'))
    // The one place where the end of a command gets its type.
    const { type: _, ...end } = message
    this.#ended.resolve(end as unknown as ExecEnd)
    this.output.end()
    this.#credit.close(commandEnded())
    this.#close()
  }

  #onClose({ code = 1006, reason = '' }: { code?: number; reason?: string }, said: string): void {
    const why = [said, reason].filter((part) => part !== '').join('; ')
    const detail = `${code}${why === '' ? '' : `: ${why}`}`
    if (this.#opened) this.fail(new StreamError(`the connection closed before the command ended (${detail})`))
    else this.fail(new NetworkError(`the WebSocket could not be opened (${detail})`))
  }

  #broken(what: string): void {
    this.fail(new StreamError(`the server sent ${what}`))
  }

  #onWeight(weight: number): void {
    const socket = this.#socket
    if (socket.pause === undefined || socket.resume === undefined) {
      if (weight > GIVE_UP_AT) this.fail(new StreamError(`more than ${GIVE_UP_AT} bytes of output were not read`, outputNotRead))
      return
    }
    if (this.#over) return
    if (!this.#paused && weight > PAUSE_AT) {
      this.#paused = true
      socket.pause()
    } else if (this.#paused && weight < RESUME_AT) {
      this.#paused = false
      socket.resume()
    }
  }

  #close(): void {
    // A socket that waits would not see the answer to its own closing.
    if (this.#paused) this.#socket.resume?.()
    this.#socket.close()
  }
}

const outputNotRead: ErrorDetails = {
  fix: 'Read `output` as it comes, or use a runtime whose WebSocket can wait (Bun, or the option `ws`).',
}

/** What writing to a command that has ended fails with. */
export function commandEnded(): StreamError {
  return new StreamError('the command has ended and reads no more', { code: 'exec_not_found', status: 404 })
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}

/** A promise that may fail before anybody waits for it. */
function deferred<T>(): Deferred<T> {
  let settle: Pick<Deferred<T>, 'resolve' | 'reject'> | undefined
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }))
  promise.catch(() => undefined)
  return { promise, ...settle! }
}
