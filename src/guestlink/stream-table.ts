import type { AppError } from '../contract/errors.ts'
import { type Channel, FRAME, type FrameType, MAX_STREAMS } from '../contract/guest-protocol.ts'
import { breach, guestError } from './errors.ts'
import { decodeNumber } from './frame.ts'
import { decodeJson } from './json.ts'
import { Slots } from './slots.ts'
import type { GuestStream } from './stream.ts'

/** The last number that a frame can bear. */
const LAST_NUMBER = 0xffff_ffff

/** The streams of one connection: gives each its number and its turn, and takes every frame to its stream. */
export class StreamTable {
  readonly #streams = new Map<number, GuestStream>()
  readonly #slots = new Slots(MAX_STREAMS)
  readonly #usedUp: () => void
  /** Ours are odd. */
  #next = 1
  #isClosed = false

  /** `usedUp`: there are no numbers left. */
  constructor(usedUp: () => void) {
    this.#usedUp = usedUp
  }

  /** Begins a stream with `open`, the payload of its OPEN, as soon as there is a place. */
  add(stream: GuestStream, open: Uint8Array): void {
    const begin = () => {
      this.#streams.set(this.#next, stream)
      stream.begin(this.#next, open)
      this.#next += 2
      if (this.#next > LAST_NUMBER) this.#usedUp()
    }
    stream.waits(this.#slots.take(begin, (error) => stream.fail(() => error)))
  }

  /** Takes any frame of a stream but DATA. Throws the error of a breach. */
  frame(type: FrameType, number: number, payload: Uint8Array): void {
    const stream = this.#known(number)
    if (stream === undefined) return
    switch (type) {
      case FRAME.eof:
        return stream.receiveEof(payload[0] as Channel)
      case FRAME.credit:
        return stream.sender.grant(decodeNumber(payload))
      case FRAME.event:
        return stream.receiveEvent(decodeJson(payload), payload.length)
      case FRAME.end:
        stream.receiveEnd(decodeJson(payload))
        return this.#forget(number)
      case FRAME.error: {
        const body = decodeJson(payload)
        stream.fail((family) => guestError(body, family))
        return this.#forget(number)
      }
      default:
        throw breach(`a frame of type ${type} on a stream`)
    }
  }

  data(number: number, channel: Channel, bytes: Uint8Array): void {
    this.#known(number)?.receiveData(channel, bytes)
  }

  /** Fails every stream, also those that wait and those to come. */
  close(error: AppError): void {
    this.#isClosed = true
    this.#slots.close(error)
    for (const stream of this.#streams.values()) stream.fail(() => error)
    this.#streams.clear()
  }

  /** The stream, or undefined when it has ended: then the frame crossed its END. */
  #known(number: number): GuestStream | undefined {
    const stream = this.#streams.get(number)
    if (stream === undefined && !this.#isClosed && (number % 2 === 0 || number >= this.#next)) {
      throw breach(`a frame for stream ${number}, which never existed`)
    }
    return stream
  }

  #forget(number: number): void {
    // It is not there any more when the end of this stream was the end of the connection.
    if (this.#streams.delete(number)) this.#slots.give()
  }
}
