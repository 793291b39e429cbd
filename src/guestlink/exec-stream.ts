import { AppError } from '../contract/errors.ts'
import { type AttachOpen, CHANNEL_ERR, type Channel, type ExecEnded, type ExecOpen, type Feature } from '../contract/guest-protocol.ts'
import type { ExecChunk } from '../contract/sandbox-operations.ts'
import { ignore } from '../lib/ignore.ts'
import { ANSWER_LIMIT_MS } from './ask.ts'
import { ChunkQueue } from './chunk-queue.ts'
import type { GuestConnection } from './connection.ts'
import { breach, canceled } from './errors.ts'
import type { Json } from './json.ts'
import { readEnded, readOffset, readPid } from './replies.ts'
import type { GuestStream, StreamHandler } from './stream.ts'

/**
 * A command with its streams, or a visit to one. `output` is for one reader; leaving it early drops the rest. What is not read holds the
 * command up only when its log is full.
 */
export interface GuestExecStream<Result = ExecEnded> {
  readonly id: string
  /** Its pid. Rejects when the command cannot be started or found. */
  readonly started: Promise<number>
  /** The bytes of a chunk are the reader's own. */
  readonly output: AsyncIterable<ExecChunk>
  /** Resolves when more may be written; what comes after the end of the command is dropped. Errors: `invalid_argument` without stdin. */
  write(bytes: Uint8Array): Promise<void>
  /** After all that was written. */
  closeStdin(): void
  /** Sends a signal to the command's process group, whatever waits to be written. */
  signal(number: number): void
  resize(cols: number, rows: number): void
  /** Ends the command; with `attach` or `detach` only the visit, whose result is then the error `canceled`. */
  cancel(): void
  /** How it ended; settles when all output has come. Errors: `sandbox_lost`, `canceled`, and those of `started`. */
  readonly result: Promise<Result>
}

/** Starts a command. Aborting `signal` cancels it. A helper that does not know of networks of commands would give it the sandbox's. */
export function openExec(connection: GuestConnection, open: ExecOpen, signal?: AbortSignal): GuestExecStream {
  const read = (body: Json) => (open.detach === true && isVisitOver(body) ? canceled() : readEnded(body))
  return new ExecStream(connection, open, { feature: open.network === true ? 'exec_network' : 'exec', signal, read })
}

/** Comes to a command, until that ends or the visit is canceled. */
export function openAttach(connection: GuestConnection, open: AttachOpen, signal?: AbortSignal): GuestExecStream {
  const read = (body: Json) => (isVisitOver(body) ? canceled() : readEnded(body))
  return new ExecStream(connection, open, { feature: 'log', signal, read })
}

/** Reads what is kept of a command's output, and no more. The result is undefined when the command still runs. */
export function openLog(
  connection: GuestConnection,
  open: AttachOpen & { readonly follow: false },
  signal?: AbortSignal,
): GuestExecStream<ExecEnded | undefined> {
  const read = (body: Json) => (isVisitOver(body) ? undefined : readEnded(body))
  return new ExecStream<ExecEnded | undefined>(connection, open, { feature: 'log', signal, read })
}

/** END came before the command's end. */
const isVisitOver = (body: Json): boolean => body['ended'] === undefined

interface Visit<Result> {
  readonly feature: Feature
  readonly signal: AbortSignal | undefined
  /** Makes the result, or the failure, of END. */
  readonly read: (body: Json) => Result | AppError
}

class ExecStream<Result> implements GuestExecStream<Result>, StreamHandler {
  readonly family = 'exec'
  readonly id: string
  readonly output: ChunkQueue<ExecChunk>
  readonly started: Promise<number>
  readonly result: Promise<Result>
  readonly #begun = Promise.withResolvers<number>()
  readonly #done = Promise.withResolvers<Result>()
  readonly #read: Visit<Result>['read']
  readonly #hasStdin: boolean
  readonly #stream: GuestStream
  /** Of the next byte, by channel. */
  readonly #offsets: [number, number, number]
  #hasStarted = false

  constructor(connection: GuestConnection, open: ExecOpen | AttachOpen, visit: Visit<Result>) {
    this.id = open.id
    this.started = this.#begun.promise
    this.result = this.#done.promise
    this.started.catch((error: unknown) => ignore(error, 'the result fails with it too'))
    this.result.catch((error: unknown) => ignore(error, 'nobody has to wait for a result'))
    this.#read = visit.read
    this.#hasStdin = open.stdin === true
    this.#offsets = open.op === 'attach' ? [0, open.stdout ?? 0, open.stderr ?? 0] : [0, 0, 0]
    this.output = new ChunkQueue<ExecChunk>({
      shape: (channel, bytes) => ({ channel: nameOf(channel), bytes }),
      taken: (cost) => this.#stream.consumed(cost),
    })
    this.#stream = connection.open(open, this, { feature: visit.feature, signal: visit.signal, onAbort: 'cancel' })
    this.#stream.within(ANSWER_LIMIT_MS, open.op)
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#hasStdin) throw new AppError('invalid_argument', `the command ${this.id} was opened without stdin`)
    await this.#stream.send(bytes)
  }

  closeStdin(): void {
    if (this.#hasStdin) this.#stream.sendEof()
  }

  signal(number: number): void {
    this.#stream.event({ event: 'signal', signal: number })
  }

  resize(cols: number, rows: number): void {
    this.#stream.event({ event: 'resize', cols, rows })
  }

  cancel(): void {
    this.#stream.cancel()
  }

  event(body: Json, cost: number): void {
    if (body['event'] === 'offset') return this.#moveTo(body, cost)
    if (body['event'] !== 'started' || this.#hasStarted) throw breach('an unknown event of a command')
    this.#hasStarted = true
    this.#stream.inTime()
    this.#begun.resolve(readPid(body))
    this.#stream.consumed(cost)
  }

  data(channel: Channel, bytes: Uint8Array): void {
    this.#offsets[channel] += bytes.length
    this.output.push(channel, bytes)
  }

  ended(body: Json): void {
    const result = this.#read(body)
    if (!this.#hasStarted) {
      // Only one that was canceled before it could start has an end without a beginning.
      if (!this.#stream.isCanceled) throw breach('a command ended that never started')
      this.#begun.reject(canceled())
    }
    // Whoever left has all the output there was.
    this.output.end()
    if (result instanceof AppError) this.failed(result)
    else this.#done.resolve(result)
  }

  failed(error: AppError): void {
    this.output.end(error)
    this.#begun.reject(error)
    this.#done.reject(error)
  }

  #moveTo(body: Json, cost: number): void {
    const { channel, offset } = readOffset(body)
    const before = this.#offsets[channel]
    this.#offsets[channel] = offset
    // The offset that was asked for is no gap.
    if (offset === before) this.#stream.consumed(cost)
    else this.output.pushValue({ channel: nameOf(channel), gap: true, offset }, cost)
  }
}

function nameOf(channel: Channel): 'stdout' | 'stderr' {
  return channel === CHANNEL_ERR ? 'stderr' : 'stdout'
}
