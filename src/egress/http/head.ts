import type { RequestHead, ResponseHead } from '../types.ts'

/**
 * Reads and writes the heads of HTTP/1 messages (RFC 9112), strictly: what two programs might understand differently is refused, because a
 * gateway and a server that disagree can be made to see different requests.
 */
export const MOST_HEAD_BYTES = 64 * 1024
export const MOST_HEADERS = 100

/** Why a message is refused, and with which status. */
export class BadMessage extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export type Headers = readonly (readonly [name: string, value: string])[]

/** How a body ends. */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }
  | { readonly kind: 'close' }

export interface ParsedRequest extends RequestHead {
  readonly version: '1.0' | '1.1'
  readonly framing: Framing
}
export interface ParsedResponse extends ResponseHead {
  readonly version: '1.0' | '1.1'
  readonly reason: string
}

const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}) ([\x21-\x7e]{1,32768}) HTTP\/1\.([01])$/
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/
const HEADER = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}):[\t ]*([\t\x20-\x7e\x80-\xff]*?)[\t ]*$/

/** `text` is Latin-1 up to the empty line. Throws BadMessage. */
export function parseRequest(text: string): ParsedRequest {
  const [line = '', ...lines] = text.replace(/^(?:\r\n){1,2}/, '').split('\r\n')
  const match = REQUEST_LINE.exec(line)
  if (match === null) throw new BadMessage(400, 'the request line cannot be read')
  const [, method = '', target = '', minor] = match
  const headers = parseHeaders(lines, 400)
  const version = minor === '1' ? '1.1' : '1.0'
  return { method, target, version, headers, framing: requestFraming(headers, version) }
}

/** Throws BadMessage with status 502. */
export function parseResponse(text: string): ParsedResponse {
  const [line = '', ...lines] = text.split('\r\n')
  const match = STATUS_LINE.exec(line)
  if (match === null) throw new BadMessage(502, 'the status line of the answer cannot be read')
  return { version: match[1] === '1' ? '1.1' : '1.0', status: Number(match[2]), reason: match[3] ?? '', headers: parseHeaders(lines, 502) }
}

function parseHeaders(lines: readonly string[], status: number): Headers {
  if (lines.length > MOST_HEADERS) throw new BadMessage(status === 400 ? 431 : status, `more than ${MOST_HEADERS} headers`)
  return lines.map((line) => {
    // Also refuses a line that goes on from the one before (obs-fold), a space before the colon, and bare CR or LF.
    const match = HEADER.exec(line)
    if (match === null) throw new BadMessage(status, 'a header cannot be read')
    return [match[1] ?? '', match[2] ?? ''] as const
  })
}

/** Every value of a header, in order. `name` is in lower case. */
export function valuesOf(headers: Headers, name: string): string[] {
  return headers.filter(([key]) => key.length === name.length && key.toLowerCase() === name).map(([, value]) => value)
}

/** The elements of a list header, in lower case. */
export function listOf(headers: Headers, name: string): string[] {
  return valuesOf(headers, name)
    .flatMap((value) => value.split(','))
    .map((element) => element.trim().toLowerCase())
    .filter((element) => element !== '')
}

function requestFraming(headers: Headers, version: '1.0' | '1.1'): Framing {
  const coding = valuesOf(headers, 'transfer-encoding')
  const length = valuesOf(headers, 'content-length')
  if (coding.length > 0) {
    if (length.length > 0) throw new BadMessage(400, 'Content-Length and Transfer-Encoding in one request')
    if (version === '1.0' || coding.length > 1 || coding[0]?.toLowerCase() !== 'chunked') {
      throw new BadMessage(400, 'the only transfer coding is "chunked", once')
    }
    return { kind: 'chunked' }
  }
  return length.length === 0 ? { kind: 'none' } : { kind: 'length', bytes: contentLength(length, 400) }
}

/** How the body of an answer ends. Throws BadMessage. */
export function responseFraming({ status, headers, version }: ParsedResponse, method: string): Framing {
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return { kind: 'none' }
  const coding = listOf(headers, 'transfer-encoding')
  const length = valuesOf(headers, 'content-length')
  if (coding.length > 0) {
    if (length.length > 0) throw new BadMessage(502, 'Content-Length and Transfer-Encoding in one answer')
    if (version === '1.0') throw new BadMessage(502, 'a transfer coding in an answer of HTTP/1.0')
    if (coding.length > 1 || coding[0] !== 'chunked') throw new BadMessage(502, 'an answer with an unknown transfer coding')
    return { kind: 'chunked' }
  }
  return length.length === 0 ? { kind: 'close' } : { kind: 'length', bytes: contentLength(length, 502) }
}

function contentLength(values: readonly string[], status: number): number {
  const [value = ''] = values
  if (values.length > 1 || !/^\d{1,15}$/.test(value)) throw new BadMessage(status, 'Content-Length must be one number, once')
  return Number(value)
}

/** The bytes of a head. Names and values have been checked, or are our own. */
export function encodeHead(first: string, headers: Headers): Uint8Array {
  let text = `${first}\r\n`
  for (const [name, value] of headers) text += `${name}: ${value}\r\n`
  return Buffer.from(`${text}\r\n`, 'latin1')
}

/** Headers that are about one connection and not about the message (RFC 9110, 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Without what is about the connection that a message came on. */
export function endToEnd(headers: Headers): Headers {
  const named = new Set(listOf(headers, 'connection'))
  return headers.filter(([name]) => {
    const key = name.toLowerCase()
    return !HOP_BY_HOP.has(key) && !named.has(key)
  })
}

export function without(headers: Headers, ...names: readonly string[]): Headers {
  return headers.filter(([name]) => !names.includes(name.toLowerCase()))
}
