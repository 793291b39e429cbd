import type { Headers } from '../head.ts'
import { CODE, ConnectionError, contentOf, FLAG, type Frame, TYPE } from './frames.ts'
import { HpackDecoder, MOST_LIST_BYTES } from './hpack.ts'

/** Headers that have come completely. */
export interface HeaderBlock {
  readonly stream: number
  /** They end the other side's part of the stream. */
  readonly isEnd: boolean
  readonly headers: Headers
}

interface OpenBlock {
  readonly stream: number
  readonly isEnd: boolean
  readonly pieces: Buffer[]
  size: number
}

/** Gathers the frames of headers. Between those of one block nothing else may come. */
export class HeaderBlocks {
  readonly #decoder = new HpackDecoder()
  #open: OpenBlock | undefined

  /** Throws ConnectionError for a frame that must not come now. */
  check({ type, stream }: Frame): void {
    if (this.#open !== undefined && (type !== TYPE.continuation || stream !== this.#open.stream)) {
      throw new ConnectionError(CODE.protocol, 'a frame in the middle of headers')
    }
  }

  /** Undefined: more frames follow. Throws ConnectionError and BadBlock. */
  take(frame: Frame): HeaderBlock | undefined {
    const open = frame.type === TYPE.headers ? begun(frame) : this.#continued(frame)
    this.#open = open
    if ((frame.flags & FLAG.endHeaders) === 0) return undefined
    this.#open = undefined
    const { stream, isEnd, pieces } = open
    return { stream, isEnd, headers: this.#decoder.decode(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)) }
  }

  #continued({ payload }: Frame): OpenBlock {
    const open = this.#open
    if (open === undefined) throw new ConnectionError(CODE.protocol, 'nothing to continue')
    open.size += payload.length
    if (open.size > MOST_LIST_BYTES) throw new ConnectionError(CODE.enhanceYourCalm, 'too many headers')
    open.pieces.push(payload)
    return open
  }
}

function begun(frame: Frame): OpenBlock {
  if (frame.stream === 0) throw new ConnectionError(CODE.protocol, 'headers of no stream')
  const content = contentOf(frame)
  return { stream: frame.stream, isEnd: (frame.flags & FLAG.endStream) !== 0, pieces: [content], size: content.length }
}
