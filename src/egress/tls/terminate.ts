import { createSecureContext, TLSSocket } from 'node:tls'
import type { SecureContext, TLSSocketOptions } from 'node:tls'
import type { Pipe } from '../http/pipe.ts'
import type { Authority, Leaf } from './authority.ts'
import { TlsLink } from './tls-link.ts'

const HANDSHAKE_LIMIT_MS = 10_000

/** Why a program ended the handshake, in words for an event. */
export class HandshakeError extends Error {}

/** TLS with a program: its decrypted side. */
export interface Terminated {
  readonly pipe: Pipe
  /** What both agreed on. */
  readonly protocol: 'h2' | 'http/1.1'
}

const contexts = new WeakMap<Leaf, SecureContext>()

/**
 * Takes the TLS of a program that asks for `name`, as that name, with a leaf of the sandbox's own authority. TLS 1.2 and 1.3. Throws
 * `HandshakeError`: mostly the program does not trust the authority.
 */
export async function terminateTls(pipe: Pipe, authority: Authority, name: string, protocols: readonly string[]): Promise<Terminated> {
  const leaf = authority.leaf(name)
  let context = contexts.get(leaf)
  if (context === undefined) contexts.set(leaf, (context = createSecureContext({ cert: leaf.cert, key: leaf.key, minVersion: 'TLSv1.2' })))
  const options: TLSSocketOptions = { isServer: true, secureContext: context, ALPNProtocols: [...protocols] }
  // Any duplex stream will do, which the types of Node do not say.
  const link = new TlsLink(pipe)
  const stream = new TLSSocket(link.encrypted as never, options)
  await secured(stream)
  return { pipe: link.open(stream), protocol: stream.alpnProtocol === 'h2' ? 'h2' : 'http/1.1' }
}

function secured(stream: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => (): void => {
      clearTimeout(limit)
      stream.destroy()
      reject(new HandshakeError(why))
    }
    const limit = setTimeout(fail('the TLS handshake took too long'), HANDSHAKE_LIMIT_MS)
    stream.once('secure', () => {
      clearTimeout(limit)
      resolve()
    })
    stream.on('error', fail('the program ended the TLS handshake: it does not trust the authority of the sandbox, most likely'))
    stream.once('close', fail('the program left during the TLS handshake'))
  })
}
