import { AppError, isAppError } from '../contract/errors.ts'
import { ignore } from '../lib/ignore.ts'
import { Secret } from '../lib/secret.ts'
import type { Keychain } from './keychain.ts'
import { readPrivate, replacePrivate } from './private-file.ts'
import { KEY_BYTES, newVaultId, newVaultKey, type VaultHeader } from './sealed-file.ts'

/** How long a keychain may take to show that it works, when a vault is made, in ms. It must not ask a person by then. */
const DETECT_MS = 2_000
const accountOf = (id: string): string => `vault-key-${id}`

/** Where the key of one vault is kept. */
export interface KeyPlaces {
  /** Beside the vault. */
  readonly keyFile: string
  readonly keychain: Keychain | undefined
}

/** The key of a vault that is there. Errors: `vault_locked`, `vault_unsafe`. */
export async function findKey({ id, key: place }: VaultHeader, { keyFile, keychain }: KeyPlaces): Promise<Buffer> {
  if (place === 'file') return keyInFile(keyFile) ?? lost(`the vault's key file "${keyFile}" is gone`)
  if (keychain === undefined) {
    return lost("the vault's key is in the keychain of the desktop, and no program that reads it is installed", {
      fix: 'Install the package that has `secret-tool` (libsecret-tools), in the session where the vault was made.',
    })
  }
  const found = await keychain.get(accountOf(id))
  if (found === undefined) return lost(`${keychain.title} no longer has the vault's key "${accountOf(id)}"`)
  return keyOf(found.reveal()) ?? lost(`what ${keychain.title} has as "${accountOf(id)}" is no key`)
}

/** A key for a new vault, kept in the keychain when that works, else in a file. The caller holds the vault's lock. */
export async function makeKey({ keyFile, keychain }: KeyPlaces): Promise<{ readonly header: VaultHeader; readonly key: Buffer }> {
  const id = newVaultId()
  const left = keyInFile(keyFile)
  // A crash between key and vault leaves a key that nothing is sealed with yet.
  if (left !== undefined) return { header: { id, key: 'file' }, key: left }
  const key = newVaultKey()
  const header = { id, key: (await keeps(keychain, accountOf(id), key)) ? 'keychain' : 'file' } as const
  if (header.key === 'file') replacePrivate(keyFile, Buffer.from(`${key.toString('hex')}\n`))
  return { header, key }
}

/** Found out by doing: what is installed may have no session to talk to, or forget. */
async function keeps(keychain: Keychain | undefined, account: string, key: Buffer): Promise<boolean> {
  if (keychain === undefined) return false
  try {
    await keychain.set(account, new Secret(key.toString('hex')), DETECT_MS)
    const back = await keychain.get(account, DETECT_MS)
    return back !== undefined && keyOf(back.reveal())?.equals(key) === true
  } catch (error) {
    if (!isAppError(error, 'vault_locked')) throw error
    ignore(error, 'a keychain that does not work is as good as none')
    return false
  }
}

function keyInFile(path: string): Buffer | undefined {
  const bytes = readPrivate(path, 1024)
  if (bytes === undefined) return undefined
  return keyOf(bytes.toString('latin1').trim()) ?? lost(`the vault's key file "${path}" holds no key`)
}

function keyOf(text: string): Buffer | undefined {
  return new RegExp(`^[0-9a-f]{${KEY_BYTES * 2}}$`).test(text) ? Buffer.from(text, 'hex') : undefined
}

function lost(detail: string, options: { readonly fix?: string } = {}): never {
  throw new AppError('vault_locked', detail, options)
}
