import { accessSync, closeSync, constants, lstatSync, openSync, readSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { ignore } from '../../lib/ignore.ts'
import { SENSITIVE_PLACES, SYSTEM_TREES } from './private-places.ts'
import type { SystemTree } from './private-places.ts'

export interface ProjectQuestion {
  /** Absolute; need not exist any more. */
  readonly cwd: string
  /** The user's home, absolute. */
  readonly home: string
  /** Our own folders (data, config, runtime), absolute; need not exist. */
  readonly dataDirs: readonly string[]
  /** The user who asks. */
  readonly uid: number
}

/**
 * `root` is the project with symlinks resolved, `subdir` the current directory relative to it (empty at the root).
 * Without a project, `reason` is a clause such as `/root is your home directory`.
 */
export type ProjectRoot = { readonly root: string; readonly subdir: string } | { readonly root: undefined; readonly reason: string }

/**
 * Finds the project that `cwd` is in: the git work tree, else `cwd` itself, unless that holds more than a project
 * (a home, a system folder, keys, our own data). Reads folders only and never starts git. Never throws.
 *
 * A work tree of somebody else counts when the current directory is theirs too. Otherwise anybody could put a `.git`
 * above the folder of another and so widen what that one shows.
 */
export function findProjectRoot(question: ProjectQuestion): ProjectRoot {
  const cwd = realFolder(question.cwd)
  if (cwd === undefined) return { root: undefined, reason: `the current directory ${question.cwd} is gone or may not be read` }
  const known = { home: canonical(question.home), dataDirs: question.dataDirs.map(canonical) }
  const top = gitTop(cwd)
  if (top !== undefined && belongs(top, cwd, question.uid) && readable(top) && objection(top, known, true) === undefined) {
    return { root: top, subdir: relative(top, cwd) }
  }
  const reason = objection(cwd, known, false)
  return reason === undefined ? { root: cwd, subdir: '' } : { root: undefined, reason }
}

interface Known {
  readonly home: string
  readonly dataDirs: readonly string[]
}

/** Why `folder` cannot be a project, or undefined. */
function objection(folder: string, known: Known, isRepository: boolean): string | undefined {
  if (folder === '/') return '/ is the whole system'
  if (folder === known.home) return `${folder} is your home directory`
  if (isWithin(known.home, folder)) return `${folder} holds your home directory`
  for (const own of known.dataDirs) {
    if (isWithin(own, folder)) return `${folder} holds agentkernel's own data`
    if (isWithin(folder, own)) return `${folder} belongs to agentkernel`
  }
  const place = sensitivePlace(folder, known.home, isRepository)
  if (place !== undefined) return `${folder} is in ${place}, where keys and settings live`
  // A service's home may stand anywhere, such as /var/lib/NAME; what is below it is the user's own.
  if (known.home !== '/' && isWithin(folder, known.home)) return undefined
  return isSystemFolder(folder) ? `${folder} is a folder of the system` : undefined
}

/** The row of `SENSITIVE_PLACES` that `folder` is in. */
function sensitivePlace(folder: string, home: string, isRepository: boolean): string | undefined {
  // The homes of others hold the same places; root can reach them.
  const homes = [home, '/root', folder.startsWith('/home/') ? folder.split('/', 3).join('/') : home]
  for (const { path, anywhere, repositories } of SENSITIVE_PLACES) {
    if (repositories && isRepository && !folder.endsWith(`/${path}`)) continue
    if (anywhere ? `${folder}/`.includes(`/${path}/`) : homes.some((base) => isWithin(folder, `${base}/${path}`))) return path
  }
  return undefined
}

function isSystemFolder(folder: string): boolean {
  let nearest: SystemTree = { path: '', below: 0 }
  for (const row of SYSTEM_TREES) if (row.path.length > nearest.path.length && isWithin(folder, row.path)) nearest = row
  const rest = folder.slice(nearest.path === '/' ? 0 : nearest.path.length)
  return rest.split('/').length - 1 < nearest.below
}

/** The nearest folder at or above `start` that git would take as the top of a work tree. */
function gitTop(start: string): string | undefined {
  for (let folder = start; ; folder = dirname(folder)) {
    if (isGitTop(join(folder, '.git'))) return folder
    if (folder === '/') return undefined
  }
}

/** A `.git` folder with a HEAD, or the `.git` file of a worktree or submodule. */
function isGitTop(dotGit: string): boolean {
  try {
    const stat = statSync(dotGit, { throwIfNoEntry: false })
    if (stat === undefined) return false
    if (!stat.isDirectory()) return stat.isFile() && pointsToGit(dotGit)
    return lstatSync(join(dotGit, 'HEAD'), { throwIfNoEntry: false }) !== undefined
  } catch (error) {
    ignore(error, 'what we may not read, git may not read either')
    return false
  }
}

function pointsToGit(file: string): boolean {
  // Not blocking, should the file have become a FIFO since it was looked at.
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const start = Buffer.alloc(8)
    return readSync(fd, start, 0, 8, 0) === 8 && start.toString('latin1') === 'gitdir: '
  } finally {
    closeSync(fd)
  }
}

/** Whether the work tree may speak for `cwd`: it is the user's, the administrator's, or of the owner of `cwd`. */
function belongs(top: string, cwd: string, uid: number): boolean {
  const owner = statSync(top, { throwIfNoEntry: false })?.uid
  return owner === uid || owner === 0 || owner === statSync(cwd, { throwIfNoEntry: false })?.uid
}

/** True when `path` is `folder` or below it; both absolute and normal. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`)
}

function realFolder(path: string): string | undefined {
  try {
    const real = realpathSync(path)
    return statSync(real).isDirectory() && readable(real) ? real : undefined
  } catch (error) {
    ignore(error, 'the caller tells the user that the folder is gone')
    return undefined
  }
}

function readable(folder: string): boolean {
  try {
    accessSync(folder, constants.R_OK | constants.X_OK)
    return true
  } catch (error) {
    ignore(error, 'the answer is no')
    return false
  }
}

/** Resolves the symlinks of the part that exists; the rest may come into being later. */
function canonical(path: string): string {
  const absolute = resolve(path)
  try {
    return realpathSync(absolute)
  } catch (error) {
    ignore(error, 'does not exist yet')
    return absolute === '/' ? absolute : join(canonical(dirname(absolute)), basename(absolute))
  }
}
