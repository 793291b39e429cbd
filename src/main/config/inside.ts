import { lstatSync, realpathSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'

/** True when `path` is `dir` or below it. Both absolute; nothing is looked up. */
export function isInside(path: string, dir: string): boolean {
  const way = relative(resolve(dir), resolve(path))
  return way !== '..' && !way.startsWith('../') && !isAbsolute(way)
}

/**
 * Tells for paths written in a config file of `dir` whether they name something outside of `root`: absolute paths, a
 * way up, a symlink that leads out or to nothing. Both folders absolute, symlinks resolved. The answer holds for now
 * only: who opens the file later must open it in a way that cannot leave.
 */
export function createLeaveCheck(dir: string, root: string): (path: string) => boolean {
  return (path) => {
    if (isAbsolute(path) || path.startsWith('~') || path.includes('\0')) return true
    const full = join(dir, path)
    if (!isInside(full, root)) return true
    const real = realExisting(full)
    return real === undefined || !isInside(real, root)
  }
}

/** The real path of the nearest part of `path` that exists; undefined when it is a symlink to nothing. */
function realExisting(path: string): string | undefined {
  for (let at = path; ; at = dirname(at)) {
    try {
      return realpathSync(at)
    } catch {
      if (at === dirname(at) || lstatSync(at, { throwIfNoEntry: false }) !== undefined) return undefined
    }
  }
}
