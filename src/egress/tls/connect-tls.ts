import { isIP } from 'node:net'
import { connect, createSecureContext, type SecureContext } from 'node:tls'
import type { Pipe } from '../http/pipe.ts'
import { DialError } from '../types.ts'
import { TlsLink } from './tls-link.ts'

const HANDSHAKE_LIMIT_MS = 10_000

export type HttpProtocol = 'h2' | 'http/1.1'

export interface OutsideTls {
  /** Decrypted. */
  readonly pipe: Pipe
  readonly protocol: HttpProtocol
}

/** TLS to servers. Reading all that the host trusts takes milliseconds, so it is done once. */
export class TlsClient {
  readonly #trusted: () => Promise<readonly string[]>
  #context: Promise<SecureContext> | undefined

  /** `trusted`: PEM of every authority that is trusted; asked once. */
  constructor(trusted: () => Promise<readonly string[]>) {
    this.#trusted = trusted
  }

  /** TLS 1.2 or 1.3 over a connection that is there, as `host`, which the certificate must be for. Throws DialError; then the pipe is gone. */
  async connect(pipe: Pipe, host: string, protocols: readonly HttpProtocol[]): Promise<OutsideTls> {
    try {
      this.#context ??= this.#trusted().then((ca) => createSecureContext({ ca: [...ca], minVersion: 'TLSv1.2' }))
      return await handshake(pipe, host, protocols, await this.#context)
    } catch (error) {
      pipe.destroy()
      if (error instanceof DialError) throw error
      this.#context = undefined
      throw new DialError('unreachable', 'the authorities that this host trusts cannot be read')
    }
  }
}

function handshake(pipe: Pipe, host: string, protocols: readonly HttpProtocol[], secureContext: SecureContext): Promise<OutsideTls> {
  return new Promise((resolve, reject) => {
    const link = new TlsLink(pipe)
    const options = {
      socket: link.encrypted,
      secureContext,
      ALPNProtocols: [...protocols],
      rejectUnauthorized: true,
      host,
      ...(isIP(host) === 0 ? { servername: host } : {}),
    }
    // Any duplex stream will do, which the types do not say.
    const stream = connect(options as never)
    const fail = (error: DialError): void => {
      clearTimeout(limit)
      stream.destroy()
      reject(error)
    }
    const limit = setTimeout(() => fail(new DialError('timed_out', `the TLS handshake with ${host} took too long`)), HANDSHAKE_LIMIT_MS)
    stream.once('secureConnect', () => {
      clearTimeout(limit)
      resolve({ pipe: link.open(stream), protocol: stream.alpnProtocol === 'h2' ? 'h2' : 'http/1.1' })
    })
    stream.on('error', (error: Error & { readonly code?: string }) => fail(new DialError('unreachable', problemOf(host, error))))
    stream.once('close', () => fail(new DialError('unreachable', `${host} left during the TLS handshake`)))
  })
}

/** In words of our own, and the code: messages of others may hold anything. */
function problemOf(host: string, { code = '' }: { readonly code?: string }): string {
  const why = PROBLEMS[code] ?? (/CERT|ISSUER|SIGNATURE/.test(code) ? 'is not valid' : undefined)
  const known = /^[A-Z0-9_]{1,80}$/.test(code) ? ` (${code})` : ''
  return why === undefined ? `the TLS handshake with ${host} failed${known}` : `the certificate of ${host} ${why}${known}`
}

const PROBLEMS: Readonly<Record<string, string>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: 'is for another name',
  CERT_HAS_EXPIRED: 'has expired',
  CERT_NOT_YET_VALID: 'is not valid yet',
  SELF_SIGNED_CERT_IN_CHAIN: 'comes from an authority that this host does not trust',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'signs itself',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'comes from an authority that this host does not trust',
  UNABLE_TO_GET_ISSUER_CERT: 'comes from an authority that this host does not trust',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'comes from an authority that this host does not trust',
}
