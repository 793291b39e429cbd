import { type ByteSource, piecesOf } from './bytes.ts'
import type { ClientConfig } from './config.ts'
import { AgentKernelError, NetworkError, ValidationError } from './errors.ts'
import { ExecConnection } from './exec-connection.ts'
import type { AttachMessage, ExecMessage } from './exec-socket.ts'
import { followSignal, withTimeLimit } from './time-limit.ts'
import type { ExecChunk, ExecEnd } from './types/commands.ts'
import { openWebSocket } from './web-socket.ts'

/** Linux's numbers, whatever the machine of the caller: the command runs on Linux. */
const SIGNALS = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGTERM: 15,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
} as const
export type SignalName = keyof typeof SIGNALS

/**
 * A command with its streams. `output` must be read: what is not taken holds the command up, and its end comes after its output.
 * Close it, or hold it with `await using`.
 */
export class ExecSession implements AsyncDisposable {
  readonly id: string
  /** Inside the sandbox. */
  readonly pid: number
  /** Bytes as they come, and gaps where the log has dropped some before they were read. Ends with the command. */
  readonly output: AsyncIterable<ExecChunk>
  /** How it ended; settles after `output` has ended. Errors: `sandbox_lost`, `stream_error`, the reason of the caller's signal. */
  readonly result: Promise<ExecEnd>
  readonly #connection: ExecConnection

  /** Made by `openExec` and `attachExec`. */
  constructor(connection: ExecConnection, { id, pid }: { id: string; pid: number }) {
    this.#connection = connection
    this.id = id
    this.pid = pid
    this.output = connection.output
    this.result = connection.result
  }

  /** Sends to stdin; resolves when more may be written. Rejects when the command has ended. Calls keep their order. */
  write(data: string | Uint8Array): Promise<void> {
    return this.#connection.write(typeof data === 'string' ? new TextEncoder().encode(data) : data)
  }

  /** Sends all of `source` to stdin, then closes it. Stops early, without an error, when the command ends. */
  async pipe(source: ByteSource): Promise<void> {
    try {
      for await (const piece of piecesOf(source)) await this.write(piece)
    } catch (error) {
      if (this.#connection.exited) return
      throw error
    }
    this.closeStdin()
  }

  /** The command reads the end of its stdin once it has read what was written. */
  closeStdin(): void {
    // Fails only as the writes before it did, which have told their callers.
    this.#connection.closeStdin().catch(() => undefined)
  }

  /** To the command and its children in the same process group: a name, or Linux's number. */
  signal(signal: SignalName | number): void {
    const number = typeof signal === 'number' ? signal : SIGNALS[signal]
    if (!Number.isInteger(number) || number < 1 || number > 64) throw new ValidationError(`${signal} is no signal`)
    this.#connection.send({ type: 'signal', signal: number })
  }

  /** The size of its terminal, in characters. */
  resize(cols: number, rows: number): void {
    this.#connection.send({ type: 'resize', cols, rows })
  }

  /** Ends the connection: with it a command that `openExec` started, only the visit after `attachExec`. Closing twice is safe. */
  close(): void {
    this.#connection.fail(new AgentKernelError('the session was closed', { code: 'canceled', status: 499 }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }
}

export interface OpenSession {
  readonly config: ClientConfig
  readonly path: string
  readonly headers: Record<string, string>
  readonly first: ExecMessage | AttachMessage
  readonly signal: AbortSignal | undefined
  /** For the opening, in ms; 0 = none. */
  readonly timeout: number
  /** Asks for the same in a way whose refusal can be read; a refused WebSocket says nothing in most runtimes. */
  readonly explain: (signal: AbortSignal) => Promise<unknown>
}

/** Opens the WebSocket and waits until the command runs. */
export async function openSession(open: OpenSession): Promise<ExecSession> {
  const { config, path, headers, first, signal, timeout, explain } = open
  signal?.throwIfAborted()
  const connection = new ExecConnection(openWebSocket(config, path, headers), first)
  const aborted = new AbortController()
  const release = followSignal(signal, aborted)
  aborted.signal.addEventListener('abort', () => connection.fail(aborted.signal.reason), { once: true })
  connection.result.then(release, release)
  return withTimeLimit({ timeout, signal, what: `WebSocket ${path}` }, async (limit) => {
    limit.addEventListener('abort', () => connection.fail(limit.reason), { once: true })
    try {
      return new ExecSession(connection, await connection.started)
    } catch (error) {
      if (error instanceof NetworkError && !limit.aborted) await explain(limit)
      throw error
    }
  })
}
