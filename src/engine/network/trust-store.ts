import { createHash, X509Certificate } from 'node:crypto'

/** The password that every Java program knows. It guards nothing: a trust store holds no secret. */
export const JAVA_STORE_PASSWORD = 'changeit'

const MAGIC = 0xfeedfeed
const VERSION = 2
const TRUSTED_CERTIFICATE = 2
/** What the digest is salted with: see `JavaKeyStore` of OpenJDK, `getPreKeyedHash`. */
const SALT = 'Mighty Aphrodite'

/** The certificates of a PEM bundle, in DER, in order. Text between them is left out. */
export function certificatesOf(pem: string): Buffer[] {
  const blocks = pem.matchAll(/-----BEGIN (?:TRUSTED )?CERTIFICATE-----\s([\sA-Za-z0-9+/=]+)-----END (?:TRUSTED )?CERTIFICATE-----/g)
  return [...blocks].map(([, base64]) => Buffer.from(base64 ?? '', 'base64'))
}

/**
 * A Java trust store (format JKS, which every Java since 1.2 reads) of these certificates. Layout, big-endian: magic, version, number of
 * entries; each entry: tag 2, alias, time in ms, "X.509", certificate; then SHA-1 of the password in UTF-16, a salt and all before.
 */
export function javaTrustStore(certificates: readonly Buffer[], now: Date): Buffer {
  const time = Buffer.alloc(8)
  time.writeBigUInt64BE(BigInt(now.getTime()))
  const entries = certificates.flatMap((certificate, index) => [
    number(TRUSTED_CERTIFICATE),
    text(`ca-${index}`),
    time,
    text('X.509'),
    number(certificate.length),
    certificate,
  ])
  const content = Buffer.concat([number(MAGIC), number(VERSION), number(certificates.length), ...entries])
  const password = Buffer.from(JAVA_STORE_PASSWORD, 'utf16le').swap16()
  const digest = createHash('sha1').update(password).update(SALT).update(content).digest()
  return Buffer.concat([content, digest])
}

/** A bundle with one more certificate. It stays a bundle whatever the first ended with. */
export function withCertificate(bundle: string, certificate: string): string {
  return bundle === '' || bundle.endsWith('\n') ? bundle + certificate : `${bundle}\n${certificate}`
}

/** Lower-case hexadecimal SHA-256 of a certificate, with colons. */
export function fingerprint(certificatePem: string): string {
  return new X509Certificate(certificatePem).fingerprint256
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

/** Java's modified UTF-8, for plain ASCII. */
function text(value: string): Buffer {
  const bytes = Buffer.alloc(2 + value.length, value, 'ascii')
  bytes.writeUInt16BE(value.length)
  bytes.write(value, 2, 'ascii')
  return bytes
}
