import { nameProblem } from '../../lib/name-rule.ts'
import type { CommandSpec } from '../command.ts'
import { usageError } from '../parse-arguments.ts'
import { quoted } from '../printable.ts'

/** One side of a copy. */
export type CopyEnd =
  /** Standard input or output. */
  | { readonly kind: 'stream' }
  | { readonly kind: 'host'; readonly path: string }
  /** `path` is absolute. `asFolder`: it ended in a slash. `contents`: it ended in `/.`, which means what is in the folder. */
  | { readonly kind: 'sandbox'; readonly name: string; readonly path: string; readonly asFolder: boolean; readonly contents: boolean }

/**
 * Reads `name:/path`, a path of the host, or `-`. What begins with `/` or `.` is of the host whatever follows, and so is what has a
 * slash before its first colon. Errors: `usage`.
 */
export function parseCopyEnd(spec: CommandSpec, text: string): CopyEnd {
  if (text === '-') return { kind: 'stream' }
  if (text.includes('\0')) throw usageError(spec, 'a path holds a NUL character, which cannot be passed on.')
  const colon = text.indexOf(':')
  const slash = text.indexOf('/')
  if (colon === -1 || /^[./]/.test(text) || (slash !== -1 && slash < colon)) return { kind: 'host', path: text }
  const [name, path] = [text.slice(0, colon), text.slice(colon + 1)]
  const local = `for a file of this machine write ${quoted(`./${text}`)}`
  const problem = nameProblem(name)
  if (problem !== undefined) throw usageError(spec, `${quoted(text)} reads as SANDBOX:/PATH, but ${problem}; ${local}.`)
  if (!path.startsWith('/'))
    throw usageError(spec, `${quoted(text)} needs an absolute path inside the sandbox, as in ${quoted(`${name}:/${path}`)}; ${local}.`)
  const parts = path.split('/')
  if (parts.includes('..')) throw usageError(spec, `the path in ${quoted(text)} leads upwards; write it without "..".`)
  const last = parts.at(-1)!
  return {
    kind: 'sandbox',
    name,
    path: `/${parts.filter((part) => part !== '' && part !== '.').join('/')}`,
    asFolder: last === '' || last === '.',
    contents: last === '.',
  }
}
