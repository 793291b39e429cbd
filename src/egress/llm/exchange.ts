import { ignore } from '../../lib/ignore.ts'
import type { RequestHead, ResponseHead } from '../types.ts'
import { bodyReader, type BodyReader } from './decode.ts'
import { JsonScan } from './json-scan.ts'
import { SseScan } from './sse-scan.ts'
import { modelName, REPLY_MEMBERS, REQUEST_MEMBERS, type Usage, UsageSum } from './usage.ts'

/** About so many bytes of text make a token, where nobody says how many there were. */
const BYTES_PER_TOKEN = 4

/** What was read of one exchange so far. */
export interface Reading {
  /** As the request names it, or else the reply. */
  readonly model: string | undefined
  /** As the reply names it: what is billed. */
  readonly billedModel: string | undefined
  readonly streaming: boolean
  readonly status: number | undefined
  /** Bytes of the request's body, as they were sent. */
  readonly bytesOut: number
  readonly usage: Usage
  /** True: tokens were used, and how many is guessed. */
  readonly estimated: boolean
}

/** Reads one request to a model and its reply as they go by. Bounded; never throws. */
export class ExchangeReader {
  #model: string | undefined
  readonly #pathModel: string | undefined
  #asksForStream: boolean
  #status: number | undefined
  #bytesOut = 0
  #bytesIn = 0
  #events = 0
  #isStream = false
  readonly #sum = new UsageSum()
  readonly #request: BodyReader
  #reply: BodyReader | undefined
  #scan: SseScan | JsonScan | undefined

  constructor(head: RequestHead) {
    const { model, stream } = fromPath(head.target)
    this.#pathModel = model
    this.#asksForStream = stream
    const scan = new JsonScan(REQUEST_MEMBERS, (name, value) => {
      if (name === 'model') this.#model = modelName(value) ?? this.#model
      else this.#asksForStream = value === true
    })
    const isJson = /json|^$/i.test(valueOf(head.headers, 'content-type') ?? '')
    this.#request = isJson ? bodyReader(valueOf(head.headers, 'content-encoding'), (bytes) => scan.push(bytes)) : NO_READER
  }

  requestBody(bytes: Uint8Array): void {
    this.#bytesOut += bytes.length
    this.#request.push(bytes)
  }

  response({ status, headers }: ResponseHead): void {
    // What comes before the reply proper says nothing.
    if (status < 200) return
    this.#status = status
    const type = (valueOf(headers, 'content-type') ?? '').toLowerCase()
    this.#isStream = type.startsWith('text/event-stream')
    if (!this.#isStream && !/json|^$|^text\/plain/.test(type)) return
    this.#reply = bodyReader(valueOf(headers, 'content-encoding'), (bytes) => this.#read(bytes))
  }

  responseBody(bytes: Uint8Array): void {
    this.#bytesIn += bytes.length
    this.#reply?.push(bytes)
  }

  /** Resolves with everything; not at once, because packed bodies are unpacked beside the traffic. */
  async end(): Promise<Reading> {
    await Promise.all([this.#request.end(), this.#reply?.end()])
    this.#scan?.end()
    return this.reading()
  }

  /** What is known now. */
  reading(): Reading {
    const said = this.#sum.usage()
    const model = this.#pathModel ?? this.#model
    const worked = this.#status === undefined || (this.#status >= 200 && this.#status < 300)
    // A request without a model, such as an upload, uses no tokens; one that was refused neither.
    const guess = !said.complete && worked && model !== undefined && (this.#bytesIn > 0 || this.#status === undefined)
    return {
      model: model ?? said.model,
      billedModel: said.model,
      streaming: this.#asksForStream || this.#isStream,
      status: this.#status,
      bytesOut: this.#bytesOut,
      usage: guess ? this.#guess(said) : said,
      estimated: guess,
    }
  }

  /** The input by its size; the output by the number of events, of which each brings about one token, or by its size. */
  #guess(said: Usage): Usage {
    const input = said.input ?? Math.ceil(this.#bytesOut / BYTES_PER_TOKEN)
    const size = this.#isStream ? this.#events : Math.ceil(this.#bytesIn / BYTES_PER_TOKEN)
    const output = Math.max(said.output ?? 0, size)
    return { ...said, input, output, total: input + output }
  }

  #read(bytes: Uint8Array): void {
    const ended = (): void => void this.#events++
    this.#scan ??= this.#isStream ? new SseScan(REPLY_MEMBERS, this.#sum.found, ended) : this.#sniffed(bytes, ended)
    this.#scan?.push(bytes)
  }

  /** Some servers do not say that what they send are events. JSON begins with a bracket, and no line of events does. */
  #sniffed(bytes: Uint8Array, ended: () => void): SseScan | JsonScan | undefined {
    const first = bytes.find((byte) => byte > 0x20)
    if (first === undefined) return undefined
    this.#isStream = first !== 0x7b && first !== 0x5b
    return this.#isStream ? new SseScan(REPLY_MEMBERS, this.#sum.found, ended) : new JsonScan(REPLY_MEMBERS, this.#sum.found, ended)
  }
}

const NO_READER: BodyReader = { push: () => undefined, end: () => Promise.resolve(), failed: false }

/** Several of that name are one list; a list of encodings cannot be read. */
export function valueOf(headers: RequestHead['headers'], name: string): string | undefined {
  const values = headers.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value)
  return values.length === 0 ? undefined : values.join(', ')
}

/** Google names model and method in the path: `/v1beta/models/NAME:streamGenerateContent`. */
function fromPath(target: string): { readonly model: string | undefined; readonly stream: boolean } {
  const match = /\/models\/([^/:?#]{1,200}):([A-Za-z]{1,40})(?:[?#]|$)/.exec(target)
  if (match === null) return { model: undefined, stream: false }
  let name = match[1]!
  try {
    name = decodeURIComponent(name)
  } catch (error) {
    ignore(error, 'a name that is no text is shown as it was written')
  }
  return { model: modelName(name), stream: match[2]!.startsWith('stream') }
}
