import { createCipheriv, createDecipheriv, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { AppError } from '../contract/errors.ts'

/**
 * The vault's file: one line of JSON with a header in clear, and everything else sealed as a whole.
 *
 *     {"format":"agentkernel-vault","version":1,"id":"32 hex","key":"file|keychain","check":"…","nonce":"…","data":"…"}
 *
 * `data` is AES-256-GCM of a JSON list of entries, ciphertext and tag, base64. The header is the associated data, so that neither it
 * nor an entry can be changed, taken out, doubled or given another name unseen, and names are as secret as values. Each writing has a fresh
 * nonce. `check` tells a wrong key from a changed file. What cannot be seen is an older file put back whole.
 */
export interface VaultHeader {
  /** Of this vault, for life: names its key in a keychain. */
  readonly id: string
  /** Where the key is. */
  readonly key: 'file' | 'keychain'
}

export interface StoredEntry {
  readonly name: string
  readonly value: string
  /** RFC 3339. */
  readonly created_at: string
  readonly updated_at: string
}

export interface VaultContent {
  readonly entries: readonly StoredEntry[]
  /** True once the file of the earlier product has been taken over. */
  readonly imported: boolean
}

export const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
const FORMAT = 'agentkernel-vault'
const VERSION = 1

interface Envelope extends VaultHeader {
  readonly check: string
  readonly nonce: string
  readonly data: string
}

/** The header of a file, without its key. Errors: `vault_damaged`. */
export function readHeader(path: string, bytes: Uint8Array): VaultHeader {
  const { id, key } = envelopeOf(path, bytes)
  return { id, key }
}

/** Errors: `vault_locked` when the key is another's, `vault_damaged`. */
export function openVault(path: string, bytes: Uint8Array, key: Buffer): VaultContent {
  const envelope = envelopeOf(path, bytes)
  const check = Buffer.from(envelope.check, 'hex')
  if (!timingSafeEqual(check, checkOf(envelope, key))) {
    throw new AppError('vault_locked', `the key that was found does not open "${path}"`)
  }
  const sealed = strictBase64(envelope.data)
  const nonce = strictBase64(envelope.nonce)
  if (sealed === undefined || sealed.length < TAG_BYTES || nonce?.length !== NONCE_BYTES) throw damaged(path, 'its data are cut short')
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(associated(envelope))
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
    const plain = Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES)), decipher.final()])
    return JSON.parse(plain.toString('utf8')) as VaultContent // Authenticated: we wrote it.
  } catch (error) {
    throw damaged(path, 'it was changed since we wrote it', error)
  }
}

export function sealVault({ id, key: place }: VaultHeader, key: Buffer, content: VaultContent): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const header = { id, key: place, check: checkOf({ id, key: place }, key).toString('hex'), nonce: nonce.toString('base64') }
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(associated(header))
  const sealed = Buffer.concat([cipher.update(JSON.stringify(content), 'utf8'), cipher.final(), cipher.getAuthTag()])
  return Buffer.from(`${JSON.stringify({ format: FORMAT, version: VERSION, ...header, data: sealed.toString('base64') })}\n`)
}

export const newVaultId = (): string => randomBytes(16).toString('hex')
export const newVaultKey = (): Buffer => randomBytes(KEY_BYTES)

function associated({ id, key, check, nonce }: Omit<Envelope, 'data'>): Buffer {
  return Buffer.from(JSON.stringify([FORMAT, VERSION, id, key, check, nonce]))
}

function checkOf({ id, key: place }: VaultHeader, key: Buffer): Buffer {
  return createHmac('sha256', key).update(`${FORMAT} key check ${id} ${place}`).digest().subarray(0, 16)
}

function envelopeOf(path: string, bytes: Uint8Array): Envelope {
  const data = parsed(path, bytes)
  if (typeof data !== 'object' || data === null) throw damaged(path, 'it is no vault')
  const { format, version, ...rest } = data as Record<string, unknown>
  if (format !== FORMAT) throw damaged(path, 'it is no vault')
  if (version !== VERSION) {
    throw new AppError('vault_damaged', `"${path}" has version ${JSON.stringify(version)?.slice(0, 20)}; this release knows ${VERSION}`, {
      fix: 'Use the release that wrote it, or a newer one.',
    })
  }
  const { id, key, check, nonce, data: sealed } = rest
  const whole = matches(id, /^[0-9a-f]{32}$/) && matches(check, /^[0-9a-f]{32}$/) && matches(nonce, /^.{16}$/) && typeof sealed === 'string'
  if (!whole || (key !== 'file' && key !== 'keychain')) throw damaged(path, 'its header is not whole')
  return { id, key, check, nonce, data: sealed }
}

const matches = (value: unknown, form: RegExp): value is string => typeof value === 'string' && form.test(value)

function parsed(path: string, bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw damaged(path, 'it is not JSON', error)
  }
}

/** Undefined for text that the same bytes would not be written as. */
function strictBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}

function damaged(path: string, problem: string, cause?: unknown): AppError {
  return new AppError('vault_damaged', `the vault "${path}" cannot be trusted: ${problem}`, cause === undefined ? {} : { cause })
}
