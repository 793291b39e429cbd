import { AppError } from '../contract/errors.ts'

/** The kernel's limit, without the end mark. */
const MAX_PATH_BYTES = 4095

/** What nobody reads or writes through the API, with all that is below. The agent in the sandbox holds the boundary itself. */
const FORBIDDEN = ['/proc', '/sys', '/dev', '/etc/passwd', '/etc/shadow', '/etc/sudoers', '/root/.ssh'] as const

/**
 * The one plain form of an absolute path inside a sandbox: no `//`, no `.`, no `/` at the end. Given twice it is the same.
 * Errors: `path_forbidden` for a relative path, `..` and what is in `FORBIDDEN`; `invalid_argument` for NUL and a path that is too long.
 */
export function guardPath(path: string): string {
  if (path.includes('\0')) throw new AppError('invalid_argument', 'path must not contain a NUL character')
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw new AppError('invalid_argument', `path is longer than ${MAX_PATH_BYTES} bytes`)
  if (!path.startsWith('/')) throw new AppError('path_forbidden', `path must be absolute: ${JSON.stringify(path)}`)
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw new AppError('path_forbidden', `path must not contain "..": ${JSON.stringify(path)}`)
  const plain = `/${parts.join('/')}`
  const place = FORBIDDEN.find((folder) => plain === folder || plain.startsWith(`${folder}/`))
  if (place !== undefined) throw new AppError('path_forbidden', `${plain} cannot be reached: it is in ${place}`)
  return plain
}
