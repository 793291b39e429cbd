import type { AppError } from '../contract/errors.ts'
import type { Channel, Feature, GuestEntry } from '../contract/guest-protocol.ts'
import { ignore } from '../lib/ignore.ts'
import { ANSWER_LIMIT_MS } from './ask.ts'
import { ChunkQueue } from './chunk-queue.ts'
import type { GuestConnection } from './connection.ts'
import { breach, canceled } from './errors.ts'
import type { Json, Operation } from './json.ts'
import { readCount, readEntry, readTarSummary } from './replies.ts'
import type { GuestStream, StreamHandler } from './stream.ts'

interface DownloadRule<T> {
  readonly feature: Feature
  readonly signal: AbortSignal | undefined
  /** Makes the answer, of the EVENT that comes first or, without one, of the first byte. */
  readonly begin: (event: Json | undefined, bytes: AsyncIterable<Uint8Array>) => T
  readonly hasEvent: boolean
  /** Checks END against the number of bytes that came. */
  readonly end: (body: Json, received: number) => void
  readonly failed?: (error: AppError) => void
}

/** A file and its content. */
export interface GuestFile {
  readonly entry: GuestEntry
  /** For one reader, once; leaving it early ends the transfer. Nothing else does, so it must be read or the signal aborted. */
  readonly bytes: AsyncIterable<Uint8Array>
}

/** Resolves when the file is open. A content that is cut short is an error of `bytes`. */
export function openFile(
  connection: GuestConnection,
  request: { readonly op: 'read'; readonly path: string; readonly offset?: number; readonly length?: number },
  signal: AbortSignal | undefined,
): Promise<GuestFile> {
  return new Download<GuestFile>(connection, request, {
    feature: 'files',
    signal,
    hasEvent: true,
    begin: (event, bytes) => ({ entry: readEntry(event?.['entry']), bytes }),
    end: (body, received) => {
      if (readCount(body, 'size') !== received) throw breach(`a file of ${received} bytes that calls itself complete`)
    },
  }).begun
}

/** What a tar stream left out or could not keep whole. */
export interface TarSummary {
  readonly files: number
  /** Sockets, devices, FIFOs and what cannot be read. */
  readonly skipped: number
  /** Files that became shorter meanwhile, and were filled with zeroes. */
  readonly changed: number
}

/** A tar stream, for one reader, once; leaving it early ends the transfer. */
export interface GuestTar extends AsyncIterable<Uint8Array> {
  /** Settles when all of it has come. Fails as the reader does. */
  readonly summary: Promise<TarSummary>
}

/** Resolves when the first bytes of the tar stream are there. */
export function openTar(connection: GuestConnection, path: string, signal: AbortSignal | undefined): Promise<GuestTar> {
  const summary = Promise.withResolvers<TarSummary>()
  summary.promise.catch((error: unknown) => ignore(error, 'the reader of the stream is told'))
  return new Download<GuestTar>(
    connection,
    { op: 'tar_out', path },
    {
      feature: 'tar',
      signal,
      hasEvent: false,
      begin: (_event, bytes) => ({ summary: summary.promise, [Symbol.asyncIterator]: () => bytes[Symbol.asyncIterator]() }),
      end: (body) => summary.resolve(readTarSummary(body)),
      failed: summary.reject,
    },
  ).begun
}

class Download<T> implements StreamHandler {
  readonly family = 'file'
  readonly begun: Promise<T>
  readonly #answer = Promise.withResolvers<T>()
  readonly #rule: DownloadRule<T>
  readonly #bytes: ChunkQueue<Uint8Array>
  readonly #stream: GuestStream
  #hasBegun = false
  #received = 0

  constructor(connection: GuestConnection, request: Operation, rule: DownloadRule<T>) {
    this.begun = this.#answer.promise
    // Who asks may do something else before waiting; the answer must not end the process meanwhile.
    this.begun.catch((error: unknown) => ignore(error, 'whoever waits for the answer is told'))
    this.#rule = rule
    this.#bytes = new ChunkQueue({
      shape: (_channel, bytes) => bytes,
      taken: (cost) => this.#stream.consumed(cost),
      left: () => this.#stream.abandon(canceled()),
    })
    this.#stream = connection.open(request, this, { feature: rule.feature, signal: rule.signal, onAbort: 'abandon' })
    this.#stream.within(ANSWER_LIMIT_MS, request.op)
  }

  event(body: Json, cost: number): void {
    if (!this.#rule.hasEvent || this.#hasBegun || body['event'] !== 'meta') throw breach('an unknown event of a transfer')
    this.#begin(body)
    this.#stream.consumed(cost)
  }

  data(channel: Channel, bytes: Uint8Array): void {
    this.#begin(undefined)
    this.#received += bytes.length
    this.#bytes.push(channel, bytes)
  }

  ended(body: Json): void {
    this.#begin(undefined)
    this.#rule.end(body, this.#received)
    this.#bytes.end()
  }

  failed(error: AppError): void {
    this.#rule.failed?.(error)
    this.#answer.reject(error)
    this.#bytes.end(error)
  }

  #begin(event: Json | undefined): void {
    if (this.#hasBegun) return
    if (this.#rule.hasEvent && event === undefined) throw breach('a transfer without its beginning')
    const answer = this.#rule.begin(event, this.#bytes)
    this.#hasBegun = true
    this.#stream.inTime()
    this.#answer.resolve(answer)
  }
}

interface UploadRule<T> {
  readonly feature: Feature
  readonly signal: AbortSignal | undefined
  readonly read: (body: Json) => T
}

/**
 * Sends what `source` yields and resolves with the answer. Each chunk is taken before the next is asked for. When the other side fails or
 * the signal is aborted, the source is told to return and not waited for; when the source fails, the transfer is given up.
 */
export async function upload<T>(
  connection: GuestConnection,
  request: Operation,
  source: AsyncIterable<Uint8Array>,
  rule: UploadRule<T>,
): Promise<T> {
  const answer = Promise.withResolvers<T>()
  answer.promise.catch((error: unknown) => ignore(error, 'it is waited for when all is sent'))
  let wake = () => undefined as void
  const handler: StreamHandler = {
    family: 'file',
    event: () => {
      throw breach(`an event of ${request.op}, which has none`)
    },
    data: () => {
      throw breach(`content of ${request.op}, which has none`)
    },
    ended: (body) => {
      answer.resolve(rule.read(body))
      wake()
    },
    failed: (error) => {
      answer.reject(error)
      wake()
    },
  }
  const stream = connection.open(request, handler, { feature: rule.feature, signal: rule.signal, onAbort: 'abandon' })
  const iterator = source[Symbol.asyncIterator]()
  const next = () =>
    new Promise<IteratorResult<Uint8Array, unknown> | undefined>((resolve, reject) => {
      wake = () => resolve(undefined)
      if (stream.isOver) wake()
      else iterator.next().then(resolve, reject)
    })
  try {
    await pump(stream, next)
  } catch (error) {
    stream.abandon(canceled())
    throw error
  }
  if (stream.isOver) iterator.return?.().catch((error: unknown) => ignore(error, 'what the source does now is its own affair'))
  else stream.within(ANSWER_LIMIT_MS, request.op)
  return await answer.promise
}

/** Until the source or the stream has ended; the latter is `undefined`. */
async function pump(stream: GuestStream, next: () => Promise<IteratorResult<Uint8Array, unknown> | undefined>): Promise<void> {
  for (;;) {
    const step = await next()
    if (step === undefined) return
    if (step.done === true) return stream.sendEof()
    if (!(await stream.send(step.value))) return
  }
}
