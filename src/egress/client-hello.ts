/**
 * What of a TLS ClientHello (RFC 8446, 4.1.2) the gateway must know, read without any library from hostile bytes.
 *
 *     record: type 22, version (2), length (2), then a part of the message
 *     message: type 1, length (3), version (2), random (32), session id <1>, cipher suites <2>, compression <1>, extensions <2>
 *     extension: type (2), data <2>; `<n>` = with its length before it, n bytes
 */
export interface ClientHello {
  /** The name asked for, lower case, without trailing dot; undefined: none was. */
  readonly serverName?: string
  /** True: it carries an encrypted ClientHello, whose inner name nobody but the server sees; or grease that looks like one. */
  readonly hasEch: boolean
  /** The highest version it offers, as on the wire: 0x0303 is TLS 1.2. */
  readonly version: number
  /** Protocols it offers, in order (ALPN). */
  readonly protocols: readonly string[]
}

export type ClientHelloState =
  | { readonly kind: 'hello'; readonly hello: ClientHello }
  /** More bytes are needed. */
  | { readonly kind: 'partial' }
  | { readonly kind: 'malformed' }

/** What a ClientHello may have, records' heads included: far more than any has. */
const MOST_HELLO_BYTES = 32 * 1024
const RECORD_HEAD_BYTES = 5
const MOST_RECORD_BYTES = 16_384
const HANDSHAKE = 22
const CLIENT_HELLO = 1
const EXTENSION = { serverName: 0, alpn: 16, supportedVersions: 43, ech: 0xfe0d } as const
export const TLS_1_2 = 0x0303
const LOWEST_KNOWN = 0x0300
const HIGHEST_KNOWN = 0x03ff

/** True when the bytes begin as a TLS connection does; also for the first byte alone. */
export function looksLikeTls(bytes: Uint8Array): boolean {
  return bytes[0] === HANDSHAKE && (bytes.length < 2 || bytes[1] === 3)
}

/** Reads the first message of a client. `bytes`: everything it sent so far. */
export function readClientHello(bytes: Uint8Array): ClientHelloState {
  const message = messageOf(bytes)
  if (message === 'partial') return { kind: bytes.length > MOST_HELLO_BYTES ? 'malformed' : 'partial' }
  const hello = message === 'malformed' ? undefined : parseHello(new Cursor(message))
  return hello === undefined ? { kind: 'malformed' } : { kind: 'hello', hello }
}

/** The body of the message, put together from its records. */
function messageOf(bytes: Uint8Array): Uint8Array | 'partial' | 'malformed' {
  const parts: Uint8Array[] = []
  let have = 0
  let needed = 4
  for (let at = 0; have < needed;) {
    if (at + RECORD_HEAD_BYTES > bytes.length) return 'partial'
    const length = (bytes[at + 3]! << 8) | bytes[at + 4]!
    if (bytes[at] !== HANDSHAKE || bytes[at + 1] !== 3 || length === 0 || length > MOST_RECORD_BYTES) return 'malformed'
    const part = bytes.subarray(at + RECORD_HEAD_BYTES, at + RECORD_HEAD_BYTES + length)
    parts.push(part)
    have += part.length
    at += RECORD_HEAD_BYTES + length
    if (have >= 4 && needed === 4) {
      const head = parts.length === 1 ? part : Buffer.concat(parts)
      if (head[0] !== CLIENT_HELLO) return 'malformed'
      needed = 4 + ((head[1]! << 16) | (head[2]! << 8) | head[3]!)
      if (needed > MOST_HELLO_BYTES) return 'malformed'
    }
    if (part.length < length && have < needed) return 'partial'
  }
  return (parts.length === 1 ? parts[0]! : Buffer.concat(parts)).subarray(4, needed)
}

/** Reads from the front; undefined wherever bytes are missing. */
class Cursor {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isEmpty(): boolean {
    return this.#at === this.#bytes.length
  }

  number(size: 1 | 2): number | undefined {
    if (this.#at + size > this.#bytes.length) return undefined
    let value = 0
    for (let index = 0; index < size; index++) value = (value << 8) | this.#bytes[this.#at++]!
    return value
  }

  take(length: number): Uint8Array | undefined {
    if (this.#at + length > this.#bytes.length) return undefined
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  /** What has its length before it. */
  block(size: 1 | 2): Cursor | undefined {
    const length = this.number(size)
    const bytes = length === undefined ? undefined : this.take(length)
    return bytes === undefined ? undefined : new Cursor(bytes)
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at)
  }
}

interface Found {
  version: number
  serverName?: string
  hasEch: boolean
  protocols: string[]
}

function parseHello(cursor: Cursor): ClientHello | undefined {
  const version = cursor.number(2)
  if (version === undefined || cursor.take(32) === undefined) return undefined
  if (cursor.block(1) === undefined || cursor.block(2) === undefined || cursor.block(1) === undefined) return undefined
  const found: Found = { version: Math.min(version, TLS_1_2), hasEch: false, protocols: [] }
  // Without extensions: SSL 3 to TLS 1.2.
  if (cursor.isEmpty) return found
  const extensions = cursor.block(2)
  if (extensions === undefined || !cursor.isEmpty) return undefined
  const seen = new Set<number>()
  while (!extensions.isEmpty) {
    const type = extensions.number(2)
    const data = extensions.block(2)
    // The same extension twice is forbidden: two programs would read two different names.
    if (type === undefined || data === undefined || seen.has(type)) return undefined
    seen.add(type)
    if (!readExtension(type, data, found)) return undefined
  }
  return found
}

/** False: it breaks the form. */
function readExtension(type: number, data: Cursor, found: Found): boolean {
  if (type === EXTENSION.ech) found.hasEch = true
  else if (type === EXTENSION.serverName) {
    const name = serverNameOf(data)
    if (name === undefined) return false
    found.serverName = name
  } else if (type === EXTENSION.supportedVersions) {
    const versions = data.block(1)
    if (versions === undefined || !data.isEmpty) return false
    // It is what counts where it is there, whatever stands before it.
    found.version = 0
    for (let version = versions.number(2); version !== undefined; version = versions.number(2)) {
      // Values like 0x1a1a only test that servers ignore what they do not know.
      if (version >= LOWEST_KNOWN && version <= HIGHEST_KNOWN) found.version = Math.max(found.version, version)
    }
  } else if (type === EXTENSION.alpn) {
    const list = data.block(2)
    if (list === undefined || !data.isEmpty) return false
    for (let name = list.block(1); name !== undefined; name = list.block(1)) found.protocols.push(String.fromCharCode(...name.rest()))
  }
  return true
}

/** RFC 6066, 3: a list with one host name. */
function serverNameOf(data: Cursor): string | undefined {
  const list = data.block(2)
  if (list === undefined || !data.isEmpty || list.number(1) !== 0) return undefined
  const bytes = list.block(2)?.rest()
  if (bytes === undefined || bytes.length === 0 || bytes.length > 255 || !list.isEmpty) return undefined
  if (bytes.some((byte) => byte <= 0x20 || byte >= 0x7f)) return undefined
  const name = String.fromCharCode(...bytes).toLowerCase()
  return name.endsWith('.') ? name.slice(0, -1) : name
}

/** Why a connection is ended before it began, as TLS says it (RFC 8446, 6). */
export const ALERT = { protocolVersion: 70, accessDenied: 49, unrecognizedName: 112 } as const

/** A fatal alert, as the record that carries it. */
export function fatalAlert(code: (typeof ALERT)[keyof typeof ALERT]): Uint8Array {
  return Uint8Array.of(21, 3, 3, 0, 2, 2, code)
}
