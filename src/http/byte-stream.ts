import { ignore } from '../lib/ignore.ts'

/**
 * A body that takes the next chunk only when the client has room for it. `onEnd` is called once: after the last byte, after a failure,
 * and when the client goes. A failure in the middle breaks the connection off, so that a part never passes for the whole.
 */
export function bodyOf(chunks: AsyncIterable<Uint8Array>, onEnd: (error?: unknown) => void): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await iterator.next()
          if (done) {
            onEnd()
            controller.close()
          } else controller.enqueue(value)
        } catch (error) {
          onEnd(error)
          controller.error(error)
        }
      },
      cancel(reason) {
        onEnd(reason)
        void iterator.return?.().catch((error: unknown) => ignore(error, 'the client is gone; whoever made the chunks has cleaned up'))
      },
    },
    { highWaterMark: 0 },
  )
}
