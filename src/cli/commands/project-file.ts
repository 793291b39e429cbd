import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { AppError } from '../../contract/errors.ts'
import { quoted } from '../printable.ts'

/**
 * The absolute path of the file a user named, or else of the nearest `agentkernel.toml` at or above `cwd`; the search
 * ends at the top of the git project. Errors: `not_found`, `workspace_unavailable`.
 */
export function projectFile(named: string | undefined, cwd: string | undefined): string {
  if (named?.startsWith('/') === true) return named
  if (cwd === undefined) throw new AppError('workspace_unavailable', 'the current directory no longer exists.')
  if (named !== undefined) return resolve(cwd, named)
  for (let dir = cwd; ; dir = dirname(dir)) {
    const candidate = join(dir, 'agentkernel.toml')
    if (existsSync(candidate)) return candidate
    if (existsSync(join(dir, '.git')) || dir === dirname(dir)) break
  }
  throw new AppError('not_found', `no agentkernel.toml in ${quoted(cwd)} or the project above it.`, {
    fix: 'Name the file, or write one with `agentkernel init`.',
  })
}
