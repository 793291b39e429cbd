import { streamOf } from './bytes.ts'
import { StreamError } from './errors.ts'
import { type Call, closing, type Transport } from './transport.ts'
import type { ByteDownload } from './types/files.ts'

/** Asks for raw bytes, of which the first that comes is `offset`. Errors: `stream_error` when a server without ranges sends others. */
export async function download(api: Transport, path: string, call: Call, offset = 0): Promise<ByteDownload> {
  const { response, pieces, close } = await api.open('GET', path, { ...call, headers: { Accept: '*/*', ...call.headers } })
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '')
  if (call.headers?.['Range'] !== undefined && Number(range?.[1] ?? 0) !== offset) {
    close()
    throw new StreamError('the server sent another part than was asked for', { status: response.status })
  }
  const length = wholeNumber(response.headers.get('content-length'))
  const size = range === null ? length : Number(range[2]) - Number(range[1]) + 1
  // Logs have no length: they grow, and their beginning may be gone.
  const logEnd = wholeNumber(response.headers.get('x-log-end'))
  const begin = wholeNumber(response.headers.get('x-log-offset')) ?? offset
  const totalSize = range === null ? (logEnd ?? size) : wholeNumber(range[3])
  return new Download(closing(pieces, close), close, { size, offset: begin, totalSize })
}

class Download implements ByteDownload {
  readonly size: number | undefined
  readonly offset: number
  readonly totalSize: number | undefined
  readonly #pieces: AsyncGenerator<Uint8Array, void, void>
  readonly #close: () => void
  #stream: ReadableStream<Uint8Array> | undefined

  constructor(
    pieces: AsyncGenerator<Uint8Array, void, void>,
    close: () => void,
    { size, offset, totalSize }: Pick<ByteDownload, 'size' | 'offset' | 'totalSize'>,
  ) {
    this.#pieces = pieces
    this.#close = close
    this.size = size
    this.offset = offset
    this.totalSize = totalSize
  }

  get stream(): ReadableStream<Uint8Array> {
    return (this.#stream ??= streamOf(this.#pieces))
  }

  close(): void {
    this.#close()
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    return this.#pieces
  }
}

function wholeNumber(text: string | null | undefined): number | undefined {
  return text !== null && text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
