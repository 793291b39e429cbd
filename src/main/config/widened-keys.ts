import { dirname } from 'node:path'
import { AppError } from '../../contract/errors.ts'
import { readConfigFile } from './read-file.ts'
import { resolveFiles } from './resolve.ts'
import type { FoundFile } from './resolve.ts'

/**
 * Dotted keys of a project's file that count only once it is trusted. `projectRoot` is the file's folder unless given;
 * with `userConfigPath` the keys are judged against what the user's config allows, else against the defaults.
 * Errors: `not_found` (no such file), `config_invalid`.
 */
export async function widenedKeys(
  path: string,
  options: { readonly projectRoot?: string | undefined; readonly userConfigPath?: string | undefined } = {},
): Promise<readonly string[]> {
  const root = options.projectRoot ?? dirname(path)
  const file = found('project', path, options.projectRoot)
  if (file === undefined) throw new AppError('not_found', `no file "${path}"`, { fix: 'Check the path.' })
  const user = options.userConfigPath === undefined ? undefined : found('user', options.userConfigPath)
  return resolveFiles(user === undefined ? [file] : [user, file], root).inertKeys
}

function found(kind: 'user' | 'project', path: string, within?: string): FoundFile | undefined {
  const content = readConfigFile(path, { shownAs: path, within })
  return content === undefined ? undefined : { kind, path, shownAs: path, content, trusted: kind === 'user' }
}
