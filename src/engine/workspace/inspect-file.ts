import { closeSync, constants, fstatSync, openSync, readlinkSync, readSync } from 'node:fs'
import { forFs } from './byte-path.ts'
import type { BytePath } from './byte-path.ts'
import { holdsSecret } from './content-checks.ts'
import { filterCredentials } from './credential-filters.ts'
import type { ContentFilter, SecretAction } from './secret-files.ts'

/** `clean`: show as it is. `secret`: hide. Otherwise show `content` instead. */
export type Verdict = 'clean' | 'secret' | { readonly content: string }

/** Where a key may stand behind a chain of certificates; what comes later is not looked at. */
const CHECK_BYTES = 256 * 1024
/** Settings files are small; a larger one is hidden rather than filtered. */
const FILTER_BYTES = 1024 * 1024

/**
 * Reads a file whose name makes it a candidate and decides. What cannot be read or understood counts as a secret: where
 * we are not allowed in, the sandbox may be.
 */
export function inspectFile(path: BytePath, action: SecretAction): Verdict {
  if (action.hide === 'always') return 'secret'
  let bytes: Buffer | undefined
  try {
    bytes = readStart(path, action.hide !== undefined ? CHECK_BYTES : FILTER_BYTES + 1)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'clean' : 'secret'
  }
  if (bytes === undefined) return 'secret'
  if (action.hide !== undefined) return holdsSecret(action.hide, bytes.toString('latin1')) ? 'secret' : 'clean'
  return filtered(action.filter, bytes)
}

function filtered(filter: ContentFilter, bytes: Buffer): Verdict {
  const text = bytes.toString('utf8')
  if (bytes.length > FILTER_BYTES || text.includes('\0')) return 'secret'
  const clean = filterCredentials(filter, text)
  if (clean === text) return 'clean'
  // Bytes that are not UTF-8 would be damaged by writing the text back.
  if (clean === undefined || !Buffer.from(text, 'utf8').equals(bytes)) return 'secret'
  return { content: clean }
}

/** True when the open file is where we looked for it: a folder on the way may have been exchanged for a symlink. */
function isAt(fd: number, path: BytePath): boolean {
  if (process.platform !== 'linux') return true
  return readlinkSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' }).equals(Buffer.from(forFs(path)))
}

/** Undefined when it is no regular file. Neither follows a symlink nor waits for the writer of a FIFO. */
function readStart(path: BytePath, limit: number): Buffer | undefined {
  const fd = openSync(forFs(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile() || !isAt(fd, path)) return undefined
    const buffer = Buffer.alloc(Math.min(limit, stat.size))
    let length = 0
    while (length < buffer.length) {
      const count = readSync(fd, buffer, length, buffer.length - length, length)
      if (count === 0) break
      length += count
    }
    return buffer.subarray(0, length)
  } finally {
    closeSync(fd)
  }
}
