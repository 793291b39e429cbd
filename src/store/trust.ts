import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, isAbsolute, resolve } from 'node:path'
import { AppError } from '../contract/errors.ts'
import type { TrustEntry } from '../contract/reports.ts'
import { isErrno } from '../lib/errno.ts'
import { ignore } from '../lib/ignore.ts'

/** The project files whose every key counts, each pinned by what it held when the user said so. */
export interface TrustStore {
  /**
   * Pins the file as it is now; an earlier pin of the same file is replaced. Safe to repeat.
   * Errors: `not_found`, `config_invalid` (not a file, too large, or the store itself cannot be used).
   */
  add(path: string): Promise<TrustEntry>
  /** All pins, by path. Errors: `config_invalid` when the store is damaged. */
  list(): Promise<readonly TrustEntry[]>
  /** Resolves with false when the file was not trusted. Works for files that are gone. Errors: `config_invalid`. */
  remove(path: string): Promise<boolean>
  /** True when the file with this real path was trusted with this very content. A store in doubt trusts nothing. */
  isTrusted(path: string, sha256: string): boolean
  /** One sentence when the store exists but cannot be believed, else undefined. */
  problem(): string | undefined
}

interface Pin {
  readonly path: string
  readonly sha256: string
  readonly trusted_at: string
}

/** Far more than a person trusts by hand. */
const MAX_STORE_BYTES = 4 * 1024 ** 2
const MAX_CONFIG_BYTES = 1024 ** 2
/** Writers hold the lock for milliseconds; longer means that one was suspended. */
const LOCK_LIMIT_MS = 5_000

/** A store in the file `path`, which need not exist. `now` dates the pins. */
export function createTrustStore(path: string, now: () => Date): TrustStore {
  const pinsOrNone = (): readonly Pin[] => {
    try {
      return readPins(path)
    } catch (error) {
      ignore(error, 'a damaged store trusts nothing; `problem` tells why')
      return []
    }
  }
  return {
    add: async (file) => {
      const real = realPathOf(file)
      const pin: Pin = { path: real, sha256: hashOf(real), trusted_at: now().toISOString() }
      await update(path, (pins) => [...pins.filter((one) => one.path !== real), pin])
      return { path: real, sha256: pin.sha256, trustedAt: pin.trusted_at, current: true }
    },
    list: async () =>
      [...readPins(path)]
        .sort((a, b) => (a.path < b.path ? -1 : 1))
        .map((pin) => ({ path: pin.path, sha256: pin.sha256, trustedAt: pin.trusted_at, current: isCurrent(pin) })),
    remove: async (file) => {
      const names = [resolve(file), realPathOrSame(file)]
      let found = false
      await update(path, (pins) => {
        const rest = pins.filter((pin) => !names.includes(pin.path))
        found = rest.length < pins.length
        return found ? rest : undefined
      })
      return found
    },
    isTrusted: (file, sha256) => pinsOrNone().some((pin) => pin.path === file && pin.sha256 === sha256),
    problem: () => {
      try {
        readPins(path)
        return undefined
      } catch (error) {
        return error instanceof Error ? `${error.message}; nothing is trusted` : undefined
      }
    },
  }
}

function readPins(path: string): readonly Pin[] {
  const bytes = readRegularFile(path, MAX_STORE_BYTES, { ownOnly: true })
  if (bytes === undefined) return []
  let data: unknown
  try {
    data = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw damaged(path, 'is not JSON', error)
  }
  const pins =
    typeof data === 'object' && data !== null && 'version' in data && data.version === 1 && 'trusted' in data ? data.trusted : undefined
  if (!Array.isArray(pins) || !pins.every(isPin)) throw damaged(path, 'does not hold a list of trusted files')
  return pins
}

function isPin(value: unknown): value is Pin {
  if (typeof value !== 'object' || value === null) return false
  const { path, sha256, trusted_at: at } = value as Record<string, unknown>
  return (
    typeof path === 'string' && isAbsolute(path) && typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256) && typeof at === 'string'
  )
}

/** Reads, changes and replaces the store under a lock, so that two writers never lose each other's pin. */
async function update(path: string, change: (pins: readonly Pin[]) => readonly Pin[] | undefined): Promise<void> {
  // Loaded here because reading, which every run may do, needs no lock.
  const { withFlock } = await import('../lib/flock.ts')
  let lock: number | undefined
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    lock = openSync(`${path}.lock`, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600)
    await withFlock(lock, 'exclusive', LOCK_LIMIT_MS, () => {
      const pins = change(readPins(path))
      if (pins !== undefined) replaceFile(path, `${JSON.stringify({ version: 1, trusted: pins }, undefined, 2)}\n`)
    })
  } catch (error) {
    if (error instanceof AppError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new AppError('config_invalid', `the list of trusted files "${path}" cannot be written: ${reason}`, {
      cause: error,
      fix: 'Make its folder writable.',
    })
  } finally {
    if (lock !== undefined) closeSync(lock)
  }
}

/** Readers see the old text or the new one, never a part. The caller holds the lock, so the name of the draft is free. */
function replaceFile(path: string, text: string): void {
  const draft = `${path}.new`
  rmSync(draft, { force: true })
  const fd = openSync(draft, 'wx', 0o600)
  try {
    const bytes = new TextEncoder().encode(text)
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(draft, path)
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    throw new AppError('not_found', `no file "${path}"`, { cause: error, fix: 'Check the path.' })
  }
}

function realPathOrSame(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    ignore(error, 'a file that is gone is known by the path it had')
    return resolve(path)
  }
}

function hashOf(path: string): string {
  const bytes = readRegularFile(path, MAX_CONFIG_BYTES)
  if (bytes === undefined) throw new AppError('not_found', `no file "${path}"`, { fix: 'Check the path.' })
  return new Bun.CryptoHasher('sha256').update(bytes).digest('hex')
}

function isCurrent(pin: Pin): boolean {
  try {
    return realpathSync(pin.path) === pin.path && hashOf(pin.path) === pin.sha256
  } catch (error) {
    ignore(error, 'a file that is gone or cannot be read is not as it was')
    return false
  }
}

/** The bytes of a regular file; undefined when there is none. Never waits for a FIFO. Errors: `config_invalid`. */
function readRegularFile(path: string, limit: number, options: { readonly ownOnly?: true } = {}): Uint8Array | undefined {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw damaged(path, 'cannot be read', error)
  }
  try {
    const stats = fstatSync(fd)
    if (!stats.isFile()) throw damaged(path, 'is not a file')
    if (options.ownOnly && ((stats.mode & 0o022) !== 0 || ![0, process.getuid?.() ?? stats.uid].includes(stats.uid))) {
      throw damaged(path, 'can be changed by other users')
    }
    if (stats.size > limit) throw damaged(path, 'is too large')
    const buffer = new Uint8Array(stats.size)
    let length = 0
    for (let got = -1; got !== 0 && length < buffer.length; length += got) got = readSync(fd, buffer, length, buffer.length - length, null)
    return buffer.subarray(0, length)
  } finally {
    closeSync(fd)
  }
}

function damaged(path: string, problem: string, cause?: unknown): AppError {
  return new AppError('config_invalid', `"${path}" ${problem}`, {
    fix: 'Look at the file. A list of trusted files may be removed; then trust them again.',
    ...(cause === undefined ? {} : { cause }),
  })
}
