import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto'
import {
  bitString,
  boolean,
  commonName,
  ECDSA_WITH_SHA256,
  explicit,
  generalName,
  implicit,
  integer,
  octets,
  oid,
  pem,
  sequence,
  time,
} from '../../lib/der.ts'

/** What a sandbox's authority is kept as; the key belongs into the vault and nowhere else. */
export interface AuthorityText {
  /** PEM. */
  readonly cert: string
  /** PEM, PKCS 8. */
  readonly key: string
}

/** A certificate for one name, with the key that goes with it; PEM. */
export interface Leaf {
  readonly cert: string
  readonly key: string
  readonly expiresMs: number
}

const DAY_MS = 86_400_000
/** Clocks of sandboxes stand still while they sleep, and some are wrong by hours. */
const BACKDATED_MS = DAY_MS
const AUTHORITY_DAYS = 730
const LEAF_DAYS = 30
/** Names come from the sandbox. */
const MOST_LEAVES = 512
/** A leaf is made anew when less than this is left. */
const SPARE_MS = DAY_MS

/** Makes the authority of one sandbox: ECDSA P-256, for leaves only, named so that a person who meets it knows whose it is. */
export function createAuthority(id: string, now: Date): AuthorityText {
  const { publicKey, privateKey } = newKey()
  const subject = commonName(`AgentKernel Proxy CA ${id.slice(0, 16)}`)
  const publicDer = publicKey.export({ type: 'spki', format: 'der' })
  const body = certificateBody({
    issuer: subject,
    subject,
    publicKey: publicDer,
    from: now.getTime() - BACKDATED_MS,
    to: now.getTime() + AUTHORITY_DAYS * DAY_MS,
    extensions: [
      // basicConstraints: an authority, whose certificates are none; keyUsage: keyCertSign and cRLSign.
      extension([2, 5, 29, 19], sequence(boolean(true), integer(Buffer.of(0))), true),
      extension([2, 5, 29, 15], bitString(Buffer.of(0x06), 1), true),
      extension([2, 5, 29, 14], octets(keyId(publicDer))),
    ],
  })
  return { cert: signed(body, privateKey), key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

/**
 * Mints leaves: one for each name, kept until it is about to expire. They share one key, which never leaves this process: a new one
 * for each would make minting three times as slow and protect nothing, since whoever has one of them has them all.
 */
export class Authority {
  readonly cert: string
  readonly #key: KeyObject
  readonly #issuer: Buffer
  readonly #authorityKeyId: Buffer
  readonly #endsMs: number
  readonly #leafKey = newKey()
  readonly #leafKeyPem = this.#leafKey.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  readonly #leafPublic = this.#leafKey.publicKey.export({ type: 'spki', format: 'der' })
  readonly #leaves = new Map<string, Leaf>()
  readonly #now: () => number

  /** Throws what `node:crypto` says about a text that is no certificate or key. */
  constructor(text: AuthorityText, now: () => number = Date.now) {
    const certificate = new X509Certificate(text.cert)
    this.cert = text.cert
    this.#key = createPrivateKey(text.key)
    this.#issuer = subjectOf(certificate.raw)
    this.#authorityKeyId = keyId(createPublicKey(this.#key).export({ type: 'spki', format: 'der' }))
    this.#endsMs = Date.parse(certificate.validTo)
    this.#now = now
  }

  /** `name` is a host name in lower case or a literal address. */
  leaf(name: string): Leaf {
    const known = this.#leaves.get(name)
    if (known !== undefined && known.expiresMs - this.#now() > SPARE_MS) {
      // The newest last, so that the first is the one nobody asks for.
      this.#leaves.delete(name)
      this.#leaves.set(name, known)
      return known
    }
    const leaf = this.#mint(name)
    this.#leaves.delete(name)
    this.#leaves.set(name, leaf)
    const oldest = this.#leaves.keys().next().value
    if (this.#leaves.size > MOST_LEAVES && oldest !== undefined) this.#leaves.delete(oldest)
    return leaf
  }

  #mint(name: string): Leaf {
    const now = this.#now()
    const expiresMs = Math.min(now + LEAF_DAYS * DAY_MS, this.#endsMs)
    const body = certificateBody({
      issuer: this.#issuer,
      // Long names do not fit into a common name; programs read the alternative name anyway.
      subject: commonName(name.slice(0, 64)),
      publicKey: this.#leafPublic,
      from: now - BACKDATED_MS,
      to: expiresMs,
      extensions: [
        extension([2, 5, 29, 19], sequence(), true),
        // digitalSignature.
        extension([2, 5, 29, 15], bitString(Buffer.of(0x80), 7), true),
        extension([2, 5, 29, 37], sequence(oid(1, 3, 6, 1, 5, 5, 7, 3, 1))),
        extension([2, 5, 29, 17], sequence(generalName(name))),
        extension([2, 5, 29, 14], octets(keyId(this.#leafPublic))),
        extension([2, 5, 29, 35], sequence(implicit(0, this.#authorityKeyId))),
      ],
    })
    return { cert: signed(body, this.#key) + this.cert, key: this.#leafKeyPem, expiresMs }
  }
}

interface Body {
  readonly issuer: Buffer
  readonly subject: Buffer
  readonly publicKey: Buffer
  /** Ms since 1970. */
  readonly from: number
  readonly to: number
  readonly extensions: readonly Buffer[]
}

function certificateBody({ issuer, subject, publicKey, from, to, extensions }: Body): Buffer {
  const serial = randomBytes(16)
  // Positive, and never with needless zeros.
  serial[0] = (serial[0]! & 0x7f) | 0x40
  return sequence(
    explicit(0, integer(Buffer.of(2))),
    integer(serial),
    ECDSA_WITH_SHA256,
    issuer,
    sequence(time(new Date(from)), time(new Date(to))),
    subject,
    publicKey,
    explicit(3, sequence(...extensions)),
  )
}

function extension([first, second, ...rest]: readonly [number, number, ...number[]], value: Buffer, critical = false): Buffer {
  return sequence(oid(first, second, ...rest), ...(critical ? [boolean(true)] : []), octets(value))
}

function signed(body: Buffer, key: KeyObject): string {
  return pem('CERTIFICATE', sequence(body, ECDSA_WITH_SHA256, bitString(sign('sha256', body, key))))
}

const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** SHA-1 of the public key's bits, as RFC 5280 4.2.1.2 has it: the last 65 bytes of a P-256 key's description. */
const keyId = (publicDer: Buffer): Buffer => createHash('sha1').update(publicDer.subarray(-65)).digest()

/** The subject of one of our own certificates, as it stands: version, serial, algorithm, issuer, validity, subject. */
function subjectOf(der: Buffer): Buffer {
  let at = contentAt(der, contentAt(der, 0))
  for (let skipped = 0; skipped < 5; skipped++) at = endOf(der, at)
  return der.subarray(at, endOf(der, at))
}

function contentAt(der: Buffer, at: number): number {
  const first = der[at + 1] ?? 0
  return at + 2 + (first < 0x80 ? 0 : first & 0x7f)
}

function endOf(der: Buffer, at: number): number {
  const start = contentAt(der, at)
  const first = der[at + 1] ?? 0
  return start + (first < 0x80 ? first : der.readUIntBE(at + 2, first & 0x7f))
}
