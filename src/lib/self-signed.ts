import { createHash, createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { isIPv4, isIPv6 } from 'node:net'

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
  const subject = sequence(set(sequence(oid(2, 5, 4, 3), utf8(names[0] ?? 'localhost'))))
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
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return { cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`, key: privateKey }
}

function extensions(names: readonly string[], publicKey: Buffer): Buffer {
  const critical = tlv(0x01, Buffer.of(0xff))
  const alternative = names.map((name) => (isIPv4(name) || isIPv6(name) ? tlv(0x87, addressBytes(name)) : tlv(0x82, Buffer.from(name))))
  return sequence(
    // It is its own root, so that a client can be told to trust it.
    sequence(oid(2, 5, 29, 19), critical, octets(sequence(tlv(0x01, Buffer.of(0xff))))),
    sequence(oid(2, 5, 29, 17), octets(sequence(...alternative))),
    sequence(oid(2, 5, 29, 37), octets(sequence(oid(1, 3, 6, 1, 5, 5, 7, 3, 1)))),
    sequence(oid(2, 5, 29, 14), octets(octets(createHash('sha1').update(publicKey).digest()))),
  )
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail] = address.split('::')
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const [before, after] = [groups(head), groups(tail ?? '')]
  const middle = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => 0)
  return Buffer.from([...before, ...middle, ...after].flatMap((group) => [group >> 8, group & 0xff]))
}

function tlv(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 0x80 ? Buffer.of(length) : length < 0x100 ? Buffer.of(0x81, length) : Buffer.of(0x82, length >> 8, length & 0xff)
  return Buffer.concat([Buffer.of(tag), size, content])
}
const sequence = (...parts: readonly Buffer[]): Buffer => tlv(0x30, Buffer.concat(parts))
const set = (...parts: readonly Buffer[]): Buffer => tlv(0x31, Buffer.concat(parts))
const explicit = (number: number, content: Buffer): Buffer => tlv(0xa0 + number, content)
const octets = (content: Buffer): Buffer => tlv(0x04, content)
const bitString = (content: Buffer): Buffer => tlv(0x03, Buffer.concat([Buffer.of(0), content]))
const integer = (content: Buffer): Buffer => tlv(0x02, content)
const utf8 = (text: string): Buffer => tlv(0x0c, Buffer.from(text))

/** UTCTime until 2049, as RFC 5280 wants it. */
function time(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+Z$/g, '')
  return date.getUTCFullYear() < 2050 ? tlv(0x17, Buffer.from(`${digits.slice(2)}Z`)) : tlv(0x18, Buffer.from(`${digits}Z`))
}

function oid(first: number, second: number, ...rest: readonly number[]): Buffer {
  const bytes = rest.flatMap((arc) => {
    const groups = [arc & 0x7f]
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80)
    return groups
  })
  return tlv(0x06, Buffer.from([first * 40 + second, ...bytes]))
}
const ECDSA_WITH_SHA256 = sequence(oid(1, 2, 840, 10_045, 4, 3, 2))
