import { closeSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../contract/errors.ts'
import type { SecretEntry, Vault } from '../contract/secrets.ts'
import { withFlock } from '../lib/flock.ts'
import { SystemCallError } from '../lib/libc.ts'
import { Secret } from '../lib/secret.ts'
import type { Keychain } from './keychain.ts'
import { type LegacyEntry, readLegacy } from './legacy.ts'
import { liveFile, stateOf } from './live-file.ts'
import { checkName, checkValue, isInternal } from './names.ts'
import { makePrivateFolder, openLock, readPrivate, replacePrivate } from './private-file.ts'
import { openVault, readHeader, sealVault, type StoredEntry, type VaultContent, type VaultHeader } from './sealed-file.ts'
import { findKey, type KeyPlaces, makeKey } from './vault-key.ts'

export interface FileVaultOptions {
  /** Folder of the vault, mode 0700; made at the first writing. */
  readonly folder: string
  /** `secrets.json` of the earlier product; taken over once and left as it is. Undefined: nowhere. */
  readonly legacyPath: string | undefined
  readonly keychain: Keychain | undefined
  readonly now: () => Date
  /** Told one sentence for the user. */
  readonly notice: (text: string) => void
}

/** Far more than anybody's secrets. */
const LARGEST_BYTES = 64 * 1024 ** 2
const MOST_ENTRIES = 10_000
/** Writers hold the lock for milliseconds, and for seconds while the keychain is tried. */
const LOCK_LIMIT_MS = 15_000

interface Opened {
  readonly header: VaultHeader
  readonly key: Buffer
  readonly content: VaultContent
}

/** The vault in an encrypted file. Readers take no lock: the file is replaced as a whole. */
export function createFileVault(options: FileVaultOptions): Vault {
  const path = join(options.folder, 'vault.json')
  const places: KeyPlaces = { keyFile: join(options.folder, 'vault.key'), keychain: options.keychain }
  /** The last key that was found; asking a keychain starts a program. */
  let known: { readonly id: string; readonly key: Buffer } | undefined

  const keyFor = async (header: VaultHeader): Promise<Buffer> => {
    if (known?.id !== header.id) known = { id: header.id, key: await findKey(header, places) }
    return known.key
  }
  const keyNow = (header: VaultHeader): Buffer | undefined => (known?.id === header.id ? known.key : undefined)
  const read = async (): Promise<Opened | undefined> => {
    const bytes = readPrivate(path, LARGEST_BYTES)
    if (bytes === undefined) return undefined
    const header = readHeader(path, bytes)
    const key = await keyFor(header)
    return { header, key, content: openVault(path, bytes, key) }
  }
  const update = (change: (content: VaultContent) => VaultContent | undefined): Promise<void> =>
    locked(options.folder, async () => {
      const before = (await read()) ?? { ...(await makeKey(places)), content: { entries: [], imported: false } }
      known = { id: before.header.id, key: before.key }
      const content = withLegacy(before.content, options)
      const after = change(content) ?? (content === before.content ? undefined : content)
      if (after === undefined) return
      if (after.entries.length > MOST_ENTRIES) throw new AppError('invalid_argument', `the vault holds ${MOST_ENTRIES} secrets already`)
      replacePrivate(path, sealVault(before.header, before.key, after))
    })
  /** What the vault holds, the earlier product's secrets taken over. */
  const content = async (): Promise<VaultContent> => {
    const opened = (await read())?.content
    if (opened?.imported === true || !hasLegacy(options)) return opened ?? { entries: [], imported: false }
    await update(() => undefined)
    return (await read())?.content ?? { entries: [], imported: false }
  }
  const find = async (name: string): Promise<StoredEntry | undefined> => (await content()).entries.find((entry) => entry.name === name)

  return {
    get: async (name) => {
      const entry = await find(name)
      return entry === undefined ? undefined : new Secret(entry.value)
    },
    set: async (name, value) => {
      checkName(name)
      checkValue(name, value)
      await update((before) => withEntry(before, name, value, options.now().toISOString()))
    },
    delete: async (name) => {
      if ((await find(name)) === undefined) return false
      let found = false
      await update((before) => {
        const entries = before.entries.filter((entry) => entry.name !== name)
        found = entries.length < before.entries.length
        return found ? { ...before, entries } : undefined
      })
      return found
    },
    list: async () =>
      (await content()).entries
        .filter(({ name }) => !isInternal(name))
        .map(shown)
        .toSorted(byName),
    forget: async (sandboxId) => {
      const below = `sandbox/${sandboxId}/`
      if (!(await content()).entries.some(({ name }) => name.startsWith(below))) return
      await update((before) => ({ ...before, entries: before.entries.filter(({ name }) => !name.startsWith(below)) }))
    },
    live: async () => {
      await content()
      return liveFile({ path, largestBytes: LARGEST_BYTES, keyNow, findKey: keyFor })
    },
  }
}

async function locked<T>(folder: string, work: () => Promise<T>): Promise<T> {
  makePrivateFolder(folder)
  const fd = openLock(join(folder, 'vault.lock'))
  try {
    return await withFlock(fd, 'exclusive', LOCK_LIMIT_MS, work)
  } catch (error) {
    if (error instanceof AppError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    const code = error instanceof SystemCallError ? 'busy' : 'store_failed'
    throw new AppError(code, `the vault in "${folder}" cannot be written: ${reason}`, { cause: error })
  } finally {
    closeSync(fd)
  }
}

function withEntry(before: VaultContent, name: string, value: Secret, now: string): VaultContent {
  const old = before.entries.find((entry) => entry.name === name)
  const entry = { name, value: value.reveal(), created_at: old?.created_at ?? now, updated_at: now }
  return { ...before, entries: [...before.entries.filter((one) => one !== old), entry] }
}

const hasLegacy = ({ legacyPath }: FileVaultOptions): boolean => legacyPath !== undefined && stateOf(legacyPath) !== 'none'

/** Adds what the earlier product had, once; secrets that are here already stay as they are. */
function withLegacy(content: VaultContent, { legacyPath, notice, now }: FileVaultOptions): VaultContent {
  if (content.imported || legacyPath === undefined) return content
  const found = readLegacy(legacyPath)
  if (found === undefined) return content
  const taken = found.filter(({ name }) => !content.entries.some((entry) => entry.name === name))
  if (taken.length > 0) {
    const what = `${taken.length} ${taken.length === 1 ? 'secret' : 'secrets'}`
    notice(
      `${what} of "${legacyPath}" taken over into the encrypted vault; that file is not encrypted, so remove it once you need it no more`,
    )
  }
  return { entries: [...content.entries, ...taken.map((entry) => stored(entry, now().toISOString()))], imported: true }
}

function stored({ name, value, createdAt }: LegacyEntry, now: string): StoredEntry {
  return { name, value: value.reveal(), created_at: createdAt ?? now, updated_at: createdAt ?? now }
}

const shown = ({ name, created_at, updated_at }: StoredEntry): SecretEntry => ({ name, backend: 'file', created_at, updated_at })
const byName = (a: SecretEntry, b: SecretEntry): number => (a.name < b.name ? -1 : 1)
