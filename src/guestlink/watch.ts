import { type AppError, isAppError } from '../contract/errors.ts'
import type { WatchChange } from '../contract/guest-protocol.ts'
import { ignore } from '../lib/ignore.ts'
import { ANSWER_LIMIT_MS } from './ask.ts'
import { ChunkQueue } from './chunk-queue.ts'
import type { GuestConnection } from './connection.ts'
import { breach, canceled } from './errors.ts'
import type { Json } from './json.ts'
import { readChange } from './replies.ts'
import type { GuestStream, StreamHandler } from './stream.ts'

/** Changes below a path, for one reader. It ends when the signal is aborted or the reader leaves. */
export interface GuestWatch extends AsyncIterable<WatchChange> {
  /** Resolves when what happens from now on is told. */
  readonly ready: Promise<void>
}

export function openWatch(
  connection: GuestConnection,
  request: { readonly op: 'watch'; readonly path: string; readonly recursive?: boolean },
  signal: AbortSignal | undefined,
): GuestWatch {
  return new Watch(connection, request, signal)
}

class Watch implements GuestWatch, StreamHandler {
  readonly family = 'file'
  readonly ready: Promise<void>
  readonly #begun = Promise.withResolvers<void>()
  readonly #changes: ChunkQueue<WatchChange>
  readonly #path: string
  readonly #stream: GuestStream

  constructor(connection: GuestConnection, request: { readonly op: 'watch'; readonly path: string }, signal: AbortSignal | undefined) {
    this.#path = request.path
    this.ready = this.#begun.promise
    this.ready.catch((error: unknown) => ignore(error, 'the reader of the changes is told too'))
    this.#changes = new ChunkQueue<WatchChange>({
      shape: () => {
        throw breach('content of a watch')
      },
      taken: (cost) => this.#stream.consumed(cost),
      left: () => this.#stream.abandon(canceled()),
    })
    this.#stream = connection.open(request, this, { feature: 'watch', signal, onAbort: 'abandon' })
    this.#stream.within(ANSWER_LIMIT_MS, request.op)
  }

  [Symbol.asyncIterator](): AsyncIterator<WatchChange, undefined> {
    return this.#changes[Symbol.asyncIterator]()
  }

  event(body: Json, cost: number): void {
    if (body['event'] !== 'ready') return this.#changes.pushValue(readChange(body, this.#path), cost)
    this.#stream.inTime()
    this.#begun.resolve()
    this.#stream.consumed(cost)
  }

  data(): void {
    throw breach('content of a watch')
  }

  /** Nothing is watched any more, for example because the path is gone. */
  ended(): void {
    this.#begun.resolve()
    this.#changes.end()
  }

  failed(error: AppError): void {
    this.#begun.reject(error)
    // Whoever aborted knows; a loop that was told to end has not failed.
    this.#changes.end(isAppError(error, 'canceled') ? undefined : error)
  }
}
