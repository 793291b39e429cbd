import { isErrno } from '../lib/errno.ts'
import { AppError, isAppError } from '../contract/errors.ts'
import { LARGEST_SECRET_BYTES, secretNameProblem } from '../contract/secrets.ts'
import { Secret } from '../lib/secret.ts'
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'

/** A secret of the earlier product. */
export interface LegacyEntry {
  readonly name: string
  readonly value: Secret
  readonly createdAt?: string
}

const LARGEST_BYTES = 16 * 1024 ** 2

/**
 * The secrets of the earlier product's `secrets.json`, whose values are base64 and not encrypted; undefined when there is no such file,
 * or none that we can make sense of: it is not ours, so it is never a reason to fail. Names and values that cannot be are left out.
 */
export function readLegacy(path: string): readonly LegacyEntry[] | undefined {
  try {
    const data: unknown = JSON.parse(readOwn(path))
    const table = record(record(data)?.['secrets']) ?? record(data)
    return table === undefined ? undefined : Object.entries(table).flatMap(([name, entry]) => entryOf(name, entry))
  } catch (error) {
    if (error instanceof SyntaxError || isAppError(error) || isErrno(error, 'ENOENT', 'EACCES', 'ELOOP', 'ENOTDIR')) return undefined
    throw error
  }
}

/** Written as a map of names to base64, or to tables that hold it as `value`. */
function entryOf(name: string, entry: unknown): LegacyEntry[] {
  const table = record(entry)
  const text = table === undefined ? entry : (table['value'] ?? table['encrypted_value'])
  if (typeof text !== 'string' || secretNameProblem(name) !== undefined) return []
  const bytes = Buffer.from(text, 'base64')
  const value = bytes.toString('utf8')
  // Text that is no base64, or does not hold text, is none of ours.
  const whole = bytes.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '') && Buffer.from(value).equals(bytes)
  if (!whole || bytes.length === 0 || bytes.length > LARGEST_SECRET_BYTES) return []
  const createdAt = rfc3339(table?.['created_at'] ?? table?.['set_at'])
  return [{ name, value: new Secret(value), ...(createdAt === undefined ? {} : { createdAt }) }]
}

function rfc3339(value: unknown): string | undefined {
  if (typeof value !== 'string' || Number.isNaN(Date.parse(value))) return undefined
  return new Date(value).toISOString()
}

function record(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined
}

/** Another user's file is not taken for this user's secrets. */
function readOwn(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stats = fstatSync(fd)
    if (!stats.isFile() || stats.size > LARGEST_BYTES || stats.uid !== (process.getuid?.() ?? stats.uid)) {
      throw new AppError('vault_unsafe', `"${path}" is not a file of this user`)
    }
    return readFileSync(fd, 'utf8')
  } finally {
    closeSync(fd)
  }
}
