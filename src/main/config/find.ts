import { lstatSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { ignore } from '../../lib/ignore.ts'
import { isInside } from './inside.ts'

/** The name of a project's own config file. */
export const PROJECT_FILE = 'agentkernel.toml'

/**
 * Finds the project's config file: the nearest from `cwd` up to `projectRoot`, or only in `cwd` when there is no
 * project or `cwd` is outside of it. Returns its absolute path, or undefined. What stands there may not be a file.
 */
export function findProjectConfig(cwd: string, projectRoot: string | undefined): string | undefined {
  const top = projectRoot !== undefined && isInside(cwd, projectRoot) ? resolve(projectRoot) : resolve(cwd)
  for (let dir = resolve(cwd); ; dir = dirname(dir)) {
    const path = join(dir, PROJECT_FILE)
    if (exists(path)) return path
    if (dir === top || dir === dirname(dir)) return undefined
  }
}

/** A dangling symlink exists: it is told, not overlooked. */
function exists(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    ignore(error, 'a directory that may not be searched has no file for us')
    return false
  }
}
