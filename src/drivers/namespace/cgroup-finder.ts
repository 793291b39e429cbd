import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { ignore } from '../../lib/ignore.ts'
import { type CgroupRoots, findCgroupRoots } from './cgroup.ts'

/** Looks once, on first use, where control groups can be made. */
export class CgroupFinder {
  #found: { readonly roots: CgroupRoots | undefined } | undefined

  roots(): CgroupRoots | undefined {
    this.#found ??= { roots: findCgroupRoots(readFileSync('/proc/self/cgroup', 'utf8'), readFileSync('/proc/self/mountinfo', 'utf8')) }
    return this.#found.roots
  }

  /** True when we may make groups here, as far as permissions tell. */
  writable(): boolean {
    const folder = this.roots()?.memory
    if (folder === undefined) return false
    try {
      accessSync(existsSync(folder) ? folder : dirname(folder), constants.W_OK)
      return true
    } catch (error) {
      ignore(error, 'not ours to write: the limits are set for each process instead')
      return false
    }
  }
}
