import { closeSync } from 'node:fs'
import { join } from 'node:path'
import { AppError, isAppError } from '../contract/errors.ts'
import type { LiveSecrets, SecretEntry, Vault } from '../contract/secrets.ts'
import { withFlock } from '../lib/flock.ts'
import { ignore } from '../lib/ignore.ts'
import type { Secret } from '../lib/secret.ts'
import type { Keychain } from './keychain.ts'
import { checkName, checkValue } from './names.ts'
import { makePrivateFolder, openLock, readPrivate, replacePrivate } from './private-file.ts'

interface Known {
  readonly name: string
  readonly created_at: string
  readonly updated_at: string
}

const LARGEST_INDEX_BYTES = 4 * 1024 ** 2
const LOCK_LIMIT_MS = 60_000
/** How often `live` asks again, in ms: each time starts a program for each value. */
const LIVE_MS = 10_000
const accountOf = (name: string): string => `secret-${name}`

/** Every value an item of the operating system's keychain; a file remembers the names and when they were set, and nothing else. */
export function createKeychainVault(keychain: Keychain, folder: string, now: () => Date): Vault {
  const index = join(folder, 'keychain.json')
  const names = (): readonly Known[] => readIndex(index)
  const update = async (work: (before: readonly Known[]) => Promise<readonly Known[]>): Promise<void> => {
    makePrivateFolder(folder)
    const fd = openLock(join(folder, 'keychain.lock'))
    try {
      await withFlock(fd, 'exclusive', LOCK_LIMIT_MS, async () => {
        replacePrivate(index, Buffer.from(`${JSON.stringify({ version: 1, names: await work(names()) })}\n`))
      })
    } finally {
      closeSync(fd)
    }
  }
  return {
    get: (name) => keychain.get(accountOf(name)),
    set: async (name, value) => {
      checkName(name)
      checkValue(name, value)
      checkFits(keychain, name, value)
      await update(async (before) => {
        await keychain.set(accountOf(name), value)
        const at = now().toISOString()
        const old = before.find((known) => known.name === name)
        return [...before.filter((known) => known !== old), { name, created_at: old?.created_at ?? at, updated_at: at }]
      })
    },
    delete: async (name) => {
      checkName(name)
      let found = false
      await update(async (before) => {
        found = await keychain.delete(accountOf(name))
        return before.filter((known) => known.name !== name)
      })
      return found
    },
    list: async () =>
      names()
        .map((known): SecretEntry => ({ ...known, backend: 'keychain' }))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    forget: async () => undefined,
    live: (wanted) => liveKeychain(keychain, wanted),
  }
}

/** Values as they were when last asked; one that cannot be asked for is gone. */
async function liveKeychain(keychain: Keychain, names: readonly string[]): Promise<LiveSecrets> {
  const values = new Map<string, Secret>()
  const ask = async (name: string): Promise<void> => {
    const value = await keychain.get(accountOf(name))
    if (value === undefined) values.delete(name)
    else values.set(name, value)
  }
  await Promise.all(names.map(ask))
  const again = async (name: string): Promise<void> => {
    try {
      await ask(name)
    } catch (error) {
      if (!isAppError(error)) throw error
      ignore(error, 'a locked keychain: the value we have is the last that was right')
    }
  }
  const timer = setInterval(() => void Promise.all(names.map(again)), LIVE_MS)
  timer.unref()
  return {
    value: (name) => values.get(name),
    close: () => {
      clearInterval(timer)
      values.clear()
    },
  }
}

function checkFits({ title, largestBytes }: Keychain, name: string, value: Secret): void {
  const bytes = Buffer.byteLength(value.reveal())
  if (bytes <= largestBytes) return
  throw new AppError('invalid_argument', `the value of ${name} has ${bytes} bytes; ${title} takes ${largestBytes} at most`, {
    fix: 'Choose `backend = "file"` under [secrets] of your user config.',
  })
}

function readIndex(path: string): readonly Known[] {
  const bytes = readPrivate(path, LARGEST_INDEX_BYTES)
  if (bytes === undefined) return []
  try {
    const data = JSON.parse(bytes.toString('utf8')) as { readonly names?: unknown }
    if (Array.isArray(data.names) && data.names.every(isKnown)) return data.names
  } catch (error) {
    ignore(error, 'said below')
  }
  throw new AppError('vault_damaged', `"${path}" is not the list of names that we wrote`)
}

function isKnown(value: unknown): value is Known {
  if (typeof value !== 'object' || value === null) return false
  return ['name', 'created_at', 'updated_at'].every((key) => typeof (value as Record<string, unknown>)[key] === 'string')
}
