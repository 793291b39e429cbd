import { AppError } from '../contract/errors.ts'
import { ignore } from '../lib/ignore.ts'

/**
 * The JSON object of a request's body; an empty body is `{}`. Never holds more than `limit` bytes, nor waits longer than `ms`.
 * Errors: `payload_too_large`, `invalid_argument`, `timed_out`, `canceled` when the client goes away before it has sent everything.
 */
export async function readJsonBody(request: Request, limit: number, ms: number): Promise<Readonly<Record<string, unknown>>> {
  const text = new TextDecoder('utf-8', { fatal: true })
  const bytes = await readBody(request, limit, ms)
  if (bytes.length === 0) return {}
  const value = parse(() => JSON.parse(text.decode(bytes)))
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>
  throw new AppError('invalid_argument', 'Invalid JSON: expected an object')
}

function parse(read: () => unknown): unknown {
  try {
    return read()
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message.replace(/^JSON Parse error: /, '') : 'the text is not UTF-8'
    throw new AppError('invalid_argument', `Invalid JSON: ${reason.slice(0, 200)}`, { cause: error })
  }
}

async function readBody(request: Request, limit: number, ms: number): Promise<Uint8Array> {
  // What the header promises is refused before a byte of it is read.
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge(limit)
  if (request.body === null) return new Uint8Array()
  const late = AbortSignal.timeout(ms)
  const reader = request.body.getReader()
  const onLate = (): void => void giveUp(reader, late.reason)
  late.addEventListener('abort', onLate, { once: true })
  try {
    const chunks: Uint8Array[] = []
    let size = 0
    for (;;) {
      const { done, value } = await reader.read()
      if (late.aborted) throw new AppError('timed_out', `the body did not arrive within ${ms} ms`, { fix: 'Send it faster.' })
      if (done) return Buffer.concat(chunks)
      size += value.byteLength
      if (size > limit) throw tooLarge(limit)
      chunks.push(value)
    }
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError('canceled', 'the client went away before the body was whole', { cause: error })
  } finally {
    late.removeEventListener('abort', onLate)
    reader.releaseLock()
  }
}

const tooLarge = (limit: number): AppError => new AppError('payload_too_large', `Request body exceeds the maximum size of ${limit} bytes`)

/**
 * The raw bytes of a request's body, as they come. Fails when the client goes away before the end, or sends nothing for `stallMs`: what
 * is written from it must not pass for the whole. Errors: `canceled`, `timed_out`.
 */
export async function* rawBody(request: Request, stallMs: number): AsyncGenerator<Uint8Array> {
  if (request.body === null) return
  const reader = request.body.getReader()
  const watch = new StallWatch(stallMs, () => void giveUp(reader))
  try {
    for (;;) {
      const { done, value } = await watch.during(reader.read())
      if (done) return
      yield value
    }
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError('canceled', 'the client went away before the body was whole', { cause: error })
  } finally {
    watch.stop()
    // Only now is it known that nobody wants the rest.
    await giveUp(reader)
  }
}

async function giveUp(reader: Pick<ReadableStreamDefaultReader, 'cancel'>, reason?: unknown): Promise<void> {
  try {
    await reader.cancel(reason)
  } catch (error) {
    ignore(error, 'the client has gone: then there is no rest to give up')
  }
}

/** Notices that a client sends nothing. One timer for the whole body, because one for each chunk costs more than the chunk. */
class StallWatch {
  readonly #ms: number
  readonly #timer: Timer
  /** `performance.now()` of the read that waits; undefined while whoever takes the bytes is at work, which may last. */
  #since: number | undefined
  #hasStalled = false

  constructor(ms: number, onStall: () => void) {
    this.#ms = ms
    this.#timer = setInterval(() => {
      if (this.#since === undefined || performance.now() - this.#since < ms) return
      this.#hasStalled = true
      onStall()
    }, ms / 4)
  }

  /** Errors: `timed_out`. */
  async during<T>(reading: Promise<T>): Promise<T> {
    this.#since = performance.now()
    const read = await reading
    this.#since = undefined
    if (this.#hasStalled) throw new AppError('timed_out', `the body stalled for ${this.#ms} ms`, { fix: 'Send it again.' })
    return read
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
