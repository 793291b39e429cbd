import { connect } from 'node:tls'
import type { Duplex } from 'node:stream'
import { isIP } from 'node:net'
import type { Pipe } from '../http/pipe.ts'
import { DialError } from '../types.ts'
import { streamOf } from './pipe-stream.ts'

const HANDSHAKE_LIMIT_MS = 10_000

export interface OutsideTls {
  readonly stream: Duplex
  readonly protocol: 'h2' | 'http/1.1'
}

/**
 * TLS to the outside over a connection that is there, as `host`, which the certificate must be for. `ca`: PEM of all that is trusted.
 * Throws DialError: `denied` where the certificate is not good.
 */
export function connectTls(pipe: Pipe, host: string, ca: readonly string[], protocols: readonly string[]): Promise<OutsideTls> {
  return new Promise((resolve, reject) => {
    const options = {
      socket: streamOf(pipe),
      ca: [...ca],
      ALPNProtocols: [...protocols],
      minVersion: 'TLSv1.2' as const,
      rejectUnauthorized: true,
      host,
      ...(isIP(host) === 0 ? { servername: host } : {}),
    }
    const stream = connect(options as never)
    const fail = (error: DialError): void => {
      clearTimeout(limit)
      stream.destroy()
      reject(error)
    }
    const limit = setTimeout(() => fail(new DialError('timed_out', `TLS with ${host} took too long`)), HANDSHAKE_LIMIT_MS)
    stream.once('secureConnect', () => {
      clearTimeout(limit)
      resolve({ stream, protocol: stream.alpnProtocol === 'h2' ? 'h2' : 'http/1.1' })
    })
    stream.on('error', (error: Error) => fail(new DialError('denied', `the certificate of ${host} is not accepted: ${error.message}`)))
    stream.once('close', () => fail(new DialError('unreachable', `${host} left during the TLS handshake`)))
  })
}
