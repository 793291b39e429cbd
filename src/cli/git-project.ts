import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { AppError } from '../contract/errors.ts'
import { ignore } from '../lib/ignore.ts'
import { sanitizeName } from '../lib/name-rule.ts'
import { quoted } from './printable.ts'

/** More than git writes into any of the files we read. */
const MOST_BYTES = 8192
const BRANCH = 'ref: refs/heads/'
/** What HEAD says in a repository that keeps its branches in tables. */
const IN_TABLES = '.invalid'

/** A git work tree as its files describe it. Git itself is never started: a repository can make it run programs. */
export interface GitProject {
  /** Top of the work tree, absolute. */
  readonly root: string
  /** Name of the main work tree's folder, also in a linked one. */
  readonly name: string
  /** Undefined when HEAD is on no branch, or nothing we can read. */
  readonly branch: string | undefined
}

/** The work tree that `cwd` is in; undefined when there is none. */
export function gitProject(cwd: string | undefined): GitProject | undefined {
  if (cwd === undefined) return undefined
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const found = gitFolders(folder)
    if (found !== undefined) return { root: folder, name: projectName(folder, found.common), branch: branchOf(found.own) }
    if (folder === dirname(folder)) return undefined
  }
}

/** `<git project>-<branch>`, made to follow the name rule. Errors: `workspace_unavailable`. */
export function branchName(cwd: string | undefined): string {
  const project = gitProject(cwd)
  const fix = 'Give a name instead of --branch.'
  if (project === undefined)
    throw new AppError('workspace_unavailable', '--branch needs a git project, but the current directory is in none.', { fix })
  if (project.branch === undefined) {
    throw new AppError('workspace_unavailable', `--branch: the project ${quoted(project.root)} is on no branch that can be read.`, { fix })
  }
  const name = sanitizeName(`${project.name}-${project.branch}`)
  if (name !== undefined) return name
  throw new AppError('workspace_unavailable', `--branch: project and branch of ${quoted(project.root)} have no letter or digit.`, { fix })
}

/** The folder of this work tree and that of the repository, which differ in a linked work tree. */
function gitFolders(folder: string): { readonly own: string; readonly common: string } | undefined {
  const dotGit = join(folder, '.git')
  const info = statSync(dotGit, { throwIfNoEntry: false })
  if (info === undefined) return undefined
  if (info.isDirectory()) return read(join(dotGit, 'HEAD')) === undefined ? undefined : { own: dotGit, common: dotGit }
  const target = /^gitdir: (.+)/.exec(read(dotGit) ?? '')?.[1]
  if (target === undefined) return undefined
  const own = resolve(folder, target)
  const common = read(join(own, 'commondir'))
  return { own, common: common === undefined ? own : resolve(own, common.trim()) }
}

function projectName(root: string, common: string): string {
  return basename(common) === '.git' ? basename(dirname(common)) : basename(root)
}

function branchOf(folder: string): string | undefined {
  const head = read(join(folder, 'HEAD'))?.trim()
  if (head?.startsWith(BRANCH) !== true) return undefined
  const branch = head.slice(BRANCH.length)
  return branch === '' || branch === IN_TABLES ? undefined : branch
}

/** The start of a file; undefined when it is none or cannot be read. */
function read(path: string): string | undefined {
  try {
    // Not blocking, should it be a FIFO.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      if (!fstatSync(fd).isFile()) return undefined
      const buffer = Buffer.alloc(MOST_BYTES)
      return buffer.toString('utf8', 0, readSync(fd, buffer, 0, MOST_BYTES, 0))
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    ignore(error, 'what we may not read is no repository to us')
    return undefined
  }
}
