/** Bytes to send: all at once, or as they come. */
export type ByteSource =
  | string
  | Uint8Array
  | ArrayBuffer
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array | string>
  | Iterable<Uint8Array>

/** The pieces of a source, text as UTF-8. */
export async function* piecesOf(source: ByteSource): AsyncGenerator<Uint8Array, void, void> {
  if (typeof source === 'string') yield encode(source)
  else if (source instanceof Uint8Array) yield source
  else if (source instanceof ArrayBuffer) yield new Uint8Array(source)
  else if (source instanceof Blob) yield* readableBytes(source.stream())
  else if (source instanceof ReadableStream) yield* readableBytes(source)
  else for await (const piece of source) yield typeof piece === 'string' ? encode(piece) : piece
}

/** What `fetch` of every runtime takes as a body; anything but a source that is at hand as a whole becomes a stream. */
export function bodyOf(source: ByteSource): { body: NonNullable<RequestInit['body']>; streams: boolean } {
  if (typeof source === 'string' || source instanceof ArrayBuffer || source instanceof Blob) return { body: source, streams: false }
  // A view of shared memory is refused by fetch; nothing else makes the type differ.
  if (source instanceof Uint8Array) return { body: source as Uint8Array<ArrayBuffer>, streams: false }
  if (source instanceof ReadableStream) return { body: source, streams: true }
  return { body: streamOf(piecesOf(source)), streams: true }
}

/** Reads one piece at a time, when it is asked for; leaving early cancels the stream. */
export async function* readableBytes(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const reader = stream.getReader()
  let ended = false
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      if (value.length > 0) yield value
    }
    ended = true
  } finally {
    // A stream that failed rejects its cancellation with the same failure, which the reader above has thrown already.
    if (!ended) await reader.cancel().catch(() => undefined)
    reader.releaseLock()
  }
}

/** Takes a piece when the stream is asked for one, never ahead. */
export function streamOf(pieces: AsyncGenerator<Uint8Array, void, void>): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        let next = await pieces.next()
        while (!next.done && next.value.length === 0) next = await pieces.next()
        if (next.done) controller.close()
        else controller.enqueue(next.value as Uint8Array<ArrayBuffer>)
      },
      async cancel() {
        await pieces.return()
      },
    },
    { highWaterMark: 0 },
  )
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
