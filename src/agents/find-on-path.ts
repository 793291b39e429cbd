import { constants } from 'node:fs'
import { access, lstat, readlink, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { ignore } from '../lib/ignore.ts'

/**
 * The entries of `path` that a program outside any sandbox may be taken from. Empty and relative ones are left out: they
 * mean the current directory, where anybody's project may lie. So are those in `project` (absolute, without symlinks), or
 * behind a symlink into it, and those that do not exist.
 */
export async function trustedEntries(path: string, project?: string): Promise<string[]> {
  const trusted: string[] = []
  for (const dir of path.split(':')) {
    if (isAbsolute(dir) && (project === undefined || !(await touches(dir, project)))) trusted.push(dir)
  }
  return trusted
}

/** The first executable file called `name` in these directories that is not a symlink into `project`. */
export async function findIn(entries: readonly string[], name: string, project?: string): Promise<string | undefined> {
  for (const dir of entries) {
    const file = join(dir, name)
    if ((await isExecutableFile(file)) && (project === undefined || !(await touches(file, project)))) return file
  }
  return undefined
}

/** As many symlinks as the kernel follows for one path. */
const MOST_LINKS = 40

/** True when the kernel, on its way to `file`, would come through `project`, by folders or by symlinks. */
async function touches(file: string, project: string): Promise<boolean> {
  const rest = file.split('/').toReversed()
  let at = '/'
  let links = 0
  try {
    for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
      const next = join(at, name)
      if (next === project || next.startsWith(`${project}/`)) return true
      if (!(await lstat(next)).isSymbolicLink()) {
        at = next
        continue
      }
      if (++links > MOST_LINKS) return true
      const target = await readlink(next)
      if (isAbsolute(target)) at = '/'
      rest.push(...target.split('/').toReversed())
    }
    return false
  } catch (error) {
    ignore(error, 'it changes under our eyes: nobody knows whose it is')
    return true
  }
}

async function isExecutableFile(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK)
    return (await stat(file)).isFile()
  } catch (error) {
    ignore(error, 'not there, or not ours to run')
    return false
  }
}
