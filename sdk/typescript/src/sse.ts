import { StreamError } from './errors.ts'

/** One event of a `text/event-stream`. */
export interface SseEvent {
  /** `message` when the server names none. */
  event: string
  data: string
  /** The newest id that the stream has named so far; empty before the first. */
  id: string
  /** How long to wait before connecting again, in ms, where this event says so. */
  retry?: number
}

/** More than a server of ours sends in one event; past it is an error, so that a stream without line ends cannot fill the memory. */
const MAX_EVENT_CHARS = 64 * 1024 ** 2

/**
 * The events of a stream of bytes, as HTML's "Server-sent events" has them: lines end in LF, CR or CR LF, a comment begins with a
 * colon, an empty line ends an event, and one without data is none.
 */
export async function* parseEventStream(
  chunks: AsyncIterable<Uint8Array>,
  maxChars = MAX_EVENT_CHARS,
): AsyncGenerator<SseEvent, void, void> {
  const decoder = new TextDecoder() // drops a byte order mark
  const lines = new LineSplitter(maxChars)
  const events = new EventBuilder(maxChars)
  for await (const chunk of chunks) {
    for (const line of lines.push(decoder.decode(chunk, { stream: true }))) {
      const event = events.push(line)
      if (event !== undefined) yield event
    }
  }
}

class LineSplitter {
  readonly #maxChars: number
  #pending = ''
  /** The last chunk ended in a CR, which has ended its line; an LF that comes next belongs to it. */
  #endedInCr = false

  constructor(maxChars: number) {
    this.#maxChars = maxChars
  }

  *push(text: string): Generator<string, void, void> {
    if (text === '') return
    const ends = /\r\n?|\n/g
    let start = this.#endedInCr && text.startsWith('\n') ? 1 : 0
    this.#endedInCr = text.endsWith('\r')
    ends.lastIndex = start
    for (let end = ends.exec(text); end !== null; end = ends.exec(text)) {
      const line = this.#pending + text.slice(start, end.index)
      this.#pending = ''
      start = ends.lastIndex
      yield line
    }
    this.#pending += text.slice(start)
    if (this.#pending.length > this.#maxChars) throw tooLong(this.#maxChars)
  }
}

class EventBuilder {
  readonly #maxChars: number
  #event = ''
  #data: string[] = []
  #chars = 0
  #id = ''
  #retry: number | undefined

  constructor(maxChars: number) {
    this.#maxChars = maxChars
  }

  /** Takes a line, and gives the event that it ends. */
  push(line: string): SseEvent | undefined {
    if (line === '') return this.#finish()
    const colon = line.indexOf(':')
    if (colon === 0) return undefined
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (field === 'event') this.#event = value
    else if (field === 'data') this.#addData(value)
    else if (field === 'id' && !value.includes('\0')) this.#id = value
    else if (field === 'retry' && /^\d{1,9}$/.test(value)) this.#retry = Number(value)
    return undefined
  }

  #addData(value: string): void {
    this.#data.push(value)
    this.#chars += value.length + 1
    if (this.#chars > this.#maxChars) throw tooLong(this.#maxChars)
  }

  #finish(): SseEvent | undefined {
    const [data, event, retry] = [this.#data, this.#event, this.#retry]
    this.#data = []
    this.#chars = 0
    this.#event = ''
    this.#retry = undefined
    if (data.length === 0) return undefined
    return { event: event === '' ? 'message' : event, data: data.join('\n'), id: this.#id, ...(retry === undefined ? {} : { retry }) }
  }
}

function tooLong(maxChars: number): StreamError {
  return new StreamError(`an event of the stream is longer than ${maxChars} characters`)
}
