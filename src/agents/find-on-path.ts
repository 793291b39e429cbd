import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { ignore } from '../lib/ignore.ts'

/**
 * The first executable file called `name` in the directories of `path`. Empty and relative entries are skipped: they
 * mean the current directory, where anybody's project may lie.
 */
export async function findOnPath(name: string, path: string): Promise<string | undefined> {
  for (const dir of path.split(':')) {
    if (isAbsolute(dir) && (await isExecutableFile(join(dir, name)))) return join(dir, name)
  }
  return undefined
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
