import { ignore } from '../lib/ignore.ts'

/** One event of a `text/event-stream`. */
export interface ServerEvent {
  readonly event: string
  readonly data: unknown
  readonly id?: number
}

const HEARTBEAT = Buffer.from(': \n\n')

/**
 * A body of server-sent events. Begins with a comment, because the headers of an answer are sent with its first byte. Takes the next event only when the client has room for it, and sends a comment after `heartbeatMs`
 * without one, so that both sides notice a dead connection. A source that fails must say so in an event of its own.
 */
export function eventStream(source: AsyncIterable<ServerEvent>, heartbeatMs: number, onEnd: () => void): ReadableStream<Uint8Array> {
  const next = new NextEvent(source)
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => controller.enqueue(HEARTBEAT),
      async pull(controller) {
        try {
          const result = await next.within(heartbeatMs)
          if (result === undefined) controller.enqueue(HEARTBEAT)
          else if (result.done === true) {
            onEnd()
            controller.close()
          } else controller.enqueue(encode(result.value))
        } catch (error) {
          onEnd()
          controller.error(error)
        }
      },
      cancel() {
        onEnd()
        next.cancel()
      },
    },
    { highWaterMark: 0 },
  )
}

/** JSON has no line breaks outside of strings and escapes those inside, so that one `data:` line holds it. */
function encode({ event, data, id }: ServerEvent): Uint8Array {
  return Buffer.from(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
}

type Result = IteratorResult<ServerEvent>

/** The next event of a source, or nothing when it takes too long; asked again, it is still the same one that is waited for. */
class NextEvent {
  readonly #iterator: AsyncIterator<ServerEvent>
  #asked = false
  #arrived: (() => Result) | undefined
  #wake: () => void = () => undefined

  constructor(source: AsyncIterable<ServerEvent>) {
    this.#iterator = source[Symbol.asyncIterator]()
  }

  async within(ms: number): Promise<Result | undefined> {
    this.#ask()
    if (this.#arrived === undefined) await this.#wait(ms)
    const arrived = this.#arrived
    if (arrived === undefined) return undefined
    this.#arrived = undefined
    this.#asked = false
    return arrived()
  }

  cancel(): void {
    this.#wake()
    void this.#iterator.return?.().catch((error: unknown) => ignore(error, 'nobody listens any more'))
  }

  #ask(): void {
    if (this.#asked) return
    this.#asked = true
    const arrive = (give: () => Result): void => {
      this.#arrived = give
      this.#wake()
    }
    this.#iterator.next().then(
      (result) => arrive(() => result),
      (error: unknown) =>
        arrive(() => {
          throw error
        }),
    )
  }

  async #wait(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
