import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, realpathSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { AppError } from '../../contract/errors.ts'
import { isInside } from './inside.ts'

/** No sensible file comes near; more would only be slow to explain. */
const MAX_BYTES = 1024 ** 2

export interface ConfigText {
  /** Where the file really is: absolute, symlinks resolved. */
  readonly realPath: string
  readonly text: string
  /** Hex SHA-256 of the bytes that were read. */
  readonly sha256: string
}

export interface ReadOptions {
  /** How messages name the file. */
  readonly shownAs: string
  /** Directory that the file must not leave through a symlink; undefined = it may be anywhere. */
  readonly within?: string | undefined
}

/**
 * Reads a config file once, so that what is hashed is what is parsed. Returns undefined when there is no file.
 * Opening never waits: a FIFO put in its place is refused like every other thing that is not a file.
 * Errors: `config_invalid`.
 */
export function readConfigFile(path: string, { shownAs, within }: ReadOptions): ConfigText | undefined {
  const bad: Complain = (problem, cause) =>
    new AppError('config_invalid', `${shownAs}: ${problem}`, {
      fix: 'Replace it by a TOML file, or remove it.',
      ...(cause === undefined ? {} : { cause }),
    })
  const realPath = realPathOf(path, bad)
  if (realPath === undefined) return undefined
  if (within !== undefined && !isInside(realPath, realpathSync(within))) throw bad('is a symbolic link that leads out of the project')
  const fd = openFile(realPath, bad)
  try {
    const stats = fstatSync(fd)
    if (!stats.isFile()) throw bad(`is ${kindOf(stats)}, not a file`)
    const expected = Math.min(stats.size, MAX_BYTES)
    let bytes = readUpTo(fd, expected + 1)
    // The size was not the truth: the file grows, or the kernel makes it up.
    if (bytes.length > expected) bytes = readUpTo(fd, MAX_BYTES + 1)
    if (bytes.length > MAX_BYTES) throw bad('is too large; a config file may have 1 MiB')
    return { realPath, text: decode(bytes, bad), sha256: new Bun.CryptoHasher('sha256').update(bytes).digest('hex') }
  } finally {
    closeSync(fd)
  }
}

type Complain = (problem: string, cause?: unknown) => AppError

/** A symlink to nothing is an error: a config that is not there today may be the one that sets the limits. */
function realPathOf(path: string, bad: Complain): string | undefined {
  try {
    return realpathSync(path)
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOTDIR') return undefined
    if (code !== 'ENOENT') throw bad(OPEN_PROBLEMS[code] ?? `cannot be opened (${code})`, error)
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined
    throw bad('is a symbolic link to a file that does not exist', error)
  }
}

function openFile(realPath: string, bad: Complain): number {
  try {
    return openSync(realPath, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | constants.O_NOFOLLOW)
  } catch (error) {
    const code = codeOf(error)
    throw bad(OPEN_PROBLEMS[code] ?? `cannot be opened (${code})`, error)
  }
}

const OPEN_PROBLEMS: Readonly<Record<string, string>> = {
  EACCES: 'cannot be read: permission denied',
  EPERM: 'cannot be read: permission denied',
  ELOOP: 'is a symbolic link that leads back to itself',
  ENXIO: 'is a socket or a device, not a file',
  ENAMETOOLONG: 'has a name that is too long',
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory'
  if (stats.isFIFO()) return 'a FIFO'
  return 'a socket or a device'
}

function readUpTo(fd: number, limit: number): Uint8Array {
  const buffer = new Uint8Array(limit)
  let length = 0
  for (let got = -1; got !== 0 && length < limit; length += got) got = readSync(fd, buffer, length, limit - length, length)
  return buffer.subarray(0, length)
}

function decode(bytes: Uint8Array, bad: Complain): string {
  if (bytes.includes(0)) throw bad('is not a text file: it holds NUL bytes')
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    throw bad('is not a text file: it is not valid UTF-8', error)
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown error'
}
