import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { AppError } from '../contract/errors.ts'
import { SOCKET_KEY_PROTOCOL } from '../contract/exec-socket.ts'

/** Keys that open a door. Holds only digests, under a key of this process, so that neither a dump nor a log can give one away. */
export class ApiKeys {
  readonly #secret = randomBytes(32)
  readonly #digests: readonly Buffer[]

  constructor(keys: readonly string[]) {
    this.#digests = [...new Set(keys)].filter((key) => key !== '').map((key) => this.#digest(key))
  }

  /** True when there is none: the door is open to whoever reaches it. */
  get none(): boolean {
    return this.#digests.length === 0
  }

  /** Whether `key` is one of them, in a time that does not depend on which, or on how much of it is right. */
  accepts(key: string): boolean {
    const digest = this.#digest(key)
    let found = false
    for (const known of this.#digests) found = timingSafeEqual(known, digest) || found
    return found
  }

  #digest(key: string): Buffer {
    return createHmac('sha256', this.#secret).update(key).digest()
  }
}

/** Errors: `unauthorized`, in the words of the earlier product. */
export function requireKey(headers: Headers, keys: ApiKeys): void {
  const header = headers.get('authorization')
  const key = header === null ? keyOfProtocols(headers) : bearerOf(header)
  if (key === undefined) throw new AppError('unauthorized', 'Missing Authorization header')
  if (!keys.accepts(key)) throw new AppError('unauthorized', 'Invalid API key')
}

function bearerOf(header: string): string {
  const match = /^Bearer +(\S+) *$/i.exec(header)
  if (match?.[1] === undefined) throw new AppError('unauthorized', 'Invalid authorization format. Use: Bearer <api_key>')
  return match[1]
}

/** A browser cannot send headers with the request that opens a WebSocket, but it can name protocols. */
function keyOfProtocols(headers: Headers): string | undefined {
  const offered = headers.get('sec-websocket-protocol')?.split(',') ?? []
  const carrier = offered.map((name) => name.trim()).find((name) => name.startsWith(SOCKET_KEY_PROTOCOL))
  return carrier === undefined ? undefined : Buffer.from(carrier.slice(SOCKET_KEY_PROTOCOL.length), 'base64url').toString('utf8')
}
