import { readFileSync } from 'node:fs'
import { type CgroupRoots, findCgroupRoots } from './cgroup.ts'

/** Looks once, on first use, where control groups can be made. */
export class CgroupFinder {
  #found: { readonly roots: CgroupRoots | undefined } | undefined

  roots(): CgroupRoots | undefined {
    this.#found ??= { roots: findCgroupRoots(readFileSync('/proc/self/cgroup', 'utf8'), readFileSync('/proc/self/mountinfo', 'utf8')) }
    return this.#found.roots
  }
}
