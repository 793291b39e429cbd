import { statSync } from 'node:fs'
import { isAppError } from '../contract/errors.ts'
import type { LiveSecrets } from '../contract/secrets.ts'
import { ignore } from '../lib/ignore.ts'
import { Secret } from '../lib/secret.ts'
import { readPrivate } from './private-file.ts'
import { openVault, readHeader, type VaultHeader } from './sealed-file.ts'

export interface LiveFileOptions {
  /** Of the vault. */
  readonly path: string
  readonly largestBytes: number
  /** The key, if it is at hand. */
  readonly keyNow: (header: VaultHeader) => Buffer | undefined
  /** The key of a vault that was made anew meanwhile. */
  readonly findKey: (header: VaultHeader) => Promise<Buffer>
}

/** How old an answer may be, in ms. */
const LIVE_MS = 100
const NONE: ReadonlyMap<string, Secret> = new Map()

/** The values of an encrypted file, read again when it is another. A file that cannot be trusted has no values. */
export function liveFile(options: LiveFileOptions): LiveSecrets {
  let values = NONE
  let seen = ''
  let lookedAt = -Infinity
  let closed = false
  const onLateKey = (): void => {
    seen = ''
  }
  const refresh = (): void => {
    const now = performance.now()
    if (closed || now - lookedAt < LIVE_MS) return
    lookedAt = now
    const state = stateOf(options.path)
    if (state === seen) return
    seen = state
    values = readValues(options, onLateKey)
  }
  return {
    value: (name) => {
      refresh()
      return values.get(name)
    },
    close: () => {
      closed = true
      values = NONE
    },
  }
}

function readValues({ path, largestBytes, keyNow, findKey }: LiveFileOptions, onLateKey: () => void): ReadonlyMap<string, Secret> {
  try {
    const bytes = readPrivate(path, largestBytes)
    if (bytes === undefined) return NONE
    const header = readHeader(path, bytes)
    const key = keyNow(header)
    if (key !== undefined) return new Map(openVault(path, bytes, key).entries.map(({ name, value }) => [name, new Secret(value)]))
    findKey(header).then(onLateKey, (error: unknown) => ignore(error, 'said by every other use of the vault'))
    return NONE
  } catch (error) {
    if (!isAppError(error)) throw error
    ignore(error, 'whoever uses a value is told that there is none, and `secret list` says why')
    return NONE
  }
}

/** Changes when a file is replaced or written. */
export function stateOf(path: string): string {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stats === undefined ? 'none' : `${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`
}
