import { createHash, createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import {
  bitString,
  boolean,
  commonName,
  ECDSA_WITH_SHA256,
  explicit,
  generalName,
  integer,
  octets,
  oid,
  pem,
  sequence,
  time,
} from './der.ts'

/**
 * A certificate that signs itself, for a server that nobody gave one: X.509 v3 (RFC 5280) with an ECDSA P-256 key, written as DER by hand because
 * neither Node nor Bun makes certificates. Structure: SEQUENCE { tbsCertificate, algorithm, signature }.
 */
export interface Certificate {
  /** PEM. */
  readonly cert: string
  /** PEM, PKCS 8. */
  readonly key: string
}

/** A clock that is a little wrong must not make a new certificate unusable. */
const BACKDATED_MS = 24 * 3_600_000
const DAY_MS = 24 * 3_600_000

/** Makes one for `names` (host names and addresses), valid for `days`. The first name is the subject. */
export function selfSigned(names: readonly string[], now: Date, days = 365): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const subject = commonName(names[0] ?? 'localhost')
  const serial = randomBytes(16)
  // Positive, and never with needless zeros.
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const toBeSigned = sequence(
    explicit(0, integer(Buffer.of(2))),
    integer(serial),
    ECDSA_WITH_SHA256,
    subject,
    sequence(time(new Date(now.getTime() - BACKDATED_MS)), time(new Date(now.getTime() + days * DAY_MS))),
    subject,
    publicKey,
    explicit(3, extensions(names, publicKey)),
  )
  const signature = sign('sha256', toBeSigned, createPrivateKey(privateKey))
  const der = sequence(toBeSigned, ECDSA_WITH_SHA256, bitString(signature))
  return { cert: pem('CERTIFICATE', der), key: privateKey }
}

function extensions(names: readonly string[], publicKey: Buffer): Buffer {
  const critical = boolean(true)
  const alternative = names.map(generalName)
  return sequence(
    // It is its own root, so that a client can be told to trust it.
    sequence(oid(2, 5, 29, 19), critical, octets(sequence(boolean(true)))),
    sequence(oid(2, 5, 29, 17), octets(sequence(...alternative))),
    sequence(oid(2, 5, 29, 37), octets(sequence(oid(1, 3, 6, 1, 5, 5, 7, 3, 1)))),
    sequence(oid(2, 5, 29, 14), octets(octets(createHash('sha1').update(publicKey).digest()))),
  )
}
