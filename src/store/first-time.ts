import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { isErrno } from '../lib/errno.ts'
import { ignore } from '../lib/ignore.ts'

/**
 * Remembers what a user has been told, as empty files in `folder`. The function returns true the first time a key is
 * asked about (within a scope, such as a project); when nothing can be remembered, always.
 */
export function createFirstTime(folder: string): (key: string, scope?: string) => boolean {
  return (key, scope = '') => {
    const name = new Bun.CryptoHasher('sha256').update(`${scope}\0${key}`).digest('hex').slice(0, 32)
    try {
      return claim(join(folder, name))
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) return !isErrno(error, 'EEXIST')
    }
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      return claim(join(folder, name))
    } catch (error) {
      ignore(error, 'a notice said twice is better than a run refused')
      return !isErrno(error, 'EEXIST')
    }
  }
}

function claim(path: string): boolean {
  closeSync(openSync(path, 'wx', 0o600))
  return true
}
