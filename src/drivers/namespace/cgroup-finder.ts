import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { ignore } from '../../lib/ignore.ts'
import { hasUserManager, needsScope, scopeFailure, scopeRoots, type UserScope } from './cgroup-scope.ts'
import { type CgroupRoots, findCgroupRoots } from './cgroup.ts'

/** Looks once, on first use, where control groups can be made. */
export class CgroupFinder {
  readonly #scope: UserScope
  #found: { readonly roots: CgroupRoots | undefined } | undefined

  constructor(scope: UserScope) {
    this.#scope = scope
  }

  /**
   * To be called before the helper starts: it is moved to the user's scope from its first moment, so that must be there.
   * One look at one file where there is no systemd.
   */
  beforeLaunch(): void {
    if (hasUserManager(this.#scope)) this.roots()
  }

  roots(): CgroupRoots | undefined {
    this.#found ??= { roots: this.#find() }
    return this.#found.roots
  }

  /** Why the user's scope, the only place for our groups here, cannot be used. Tries it out; undefined when all is well. */
  scopeFailure(): string | undefined {
    const own = this.#own()
    const needed = needsScope(own) && !isWritable(own?.memory) && hasUserManager(this.#scope)
    return needed ? scopeFailure(this.#scope) : undefined
  }

  /** True when we may make groups here, as far as permissions tell. */
  writable(): boolean {
    return isWritable(this.roots()?.memory)
  }

  #find(): CgroupRoots | undefined {
    const own = this.#own()
    if (!needsScope(own) || isWritable(own?.memory) || !hasUserManager(this.#scope)) return own
    return scopeRoots(this.#scope) ?? own
  }

  #own(): CgroupRoots | undefined {
    return findCgroupRoots(readFileSync('/proc/self/cgroup', 'utf8'), readFileSync('/proc/self/mountinfo', 'utf8'))
  }
}

function isWritable(folder: string | undefined): boolean {
  if (folder === undefined) return false
  try {
    accessSync(existsSync(folder) ? folder : dirname(folder), constants.W_OK)
    return true
  } catch (error) {
    ignore(error, 'not ours to write: another place is looked for, or the limits are set for each process')
    return false
  }
}
