import { lstatSync, readFileSync, realpathSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { ignore } from '../../lib/ignore.ts'
import { gitConfigValues } from './git-config-values.ts'
import { isWithin } from './project-root.ts'

/** Files and folders of a project that programs on the host obey: shells, editors, coding agents, we ourselves. */
const PROJECT_FILES: readonly string[] = [
  ...['.envrc', '.mcp.json', 'agentkernel.toml', '.gitmodules', '.husky'],
  ...['.vscode', '.idea', '.zed', '.devcontainer', '.devcontainer.json'],
  ...['.claude', '.cursor', '.gemini', '.codex', '.opencode'],
]

/** The same inside a git folder. `commondir` and `config.worktree` make git read another configuration. */
const GIT_FILES: readonly string[] = [
  'hooks',
  'config',
  'config.worktree',
  'modules',
  'worktrees',
  'commondir',
  'info/attributes',
  'rebase-merge',
  'rebase-apply',
]

/** Paths relative to the project, sorted. */
export interface ExecutableConfig {
  /** To be kept read-only. */
  readonly existing: readonly string[]
  /** Cannot be kept by a read-only mount: not there yet, or a symlink that can be exchanged. */
  readonly unprotected: readonly string[]
}

/**
 * What in a project runs later on the host. `gitFolders` are the `.git` folders in it, relative to `root`; the one at
 * the top need not be among them.
 */
export function executableConfig(root: string, gitFolders: readonly string[] = []): ExecutableConfig {
  const existing = new Set<string>()
  const unprotected = new Set<string>()
  for (const path of candidates(root, gitFolders)) {
    const real = realInside(root, path)
    if (real !== undefined) existing.add(real)
    if (real !== path) unprotected.add(path)
  }
  return { existing: [...existing].toSorted(), unprotected: [...unprotected].toSorted() }
}

/** Remembers how `paths` are now; the returned function names those that are new or exchanged when it is called. */
export function watchForChanges(root: string, paths: readonly string[]): () => string[] {
  const before = paths.map((path) => identityOf(join(root, path)))
  return () => paths.filter((path, index) => identityOf(join(root, path)) !== before[index])
}

function candidates(root: string, gitFolders: readonly string[]): string[] {
  const top = lstat(join(root, '.git'))
  // A work tree's `.git` file says where its git folder is; without any `.git`, a new one would be obeyed.
  const dotGit = top?.isDirectory() === true ? [] : ['.git']
  const folders = new Set([...(dotGit.length === 0 ? ['.git'] : []), ...gitFolders])
  const git = [...folders].flatMap((folder) => [...GIT_FILES.map((name) => `${folder}/${name}`), ...namedByConfig(root, folder)])
  return [...PROJECT_FILES, ...dotGit, ...git]
}

/** What a git folder's configuration makes git obey besides: every `core.hooksPath` and every included file of the project. */
function namedByConfig(root: string, gitFolder: string): string[] {
  return ['config', 'config.worktree'].flatMap((name) => namedByFile(root, gitFolder, join(gitFolder, name), MOST_INCLUDES))
}

/** How deep included files are followed; git itself stops at ten. */
const MOST_INCLUDES = 10

function namedByFile(root: string, gitFolder: string, file: string, depth: number): string[] {
  return gitConfigValues(readText(join(root, file))).flatMap(({ section, key, value }) => {
    if (section === 'core' && key === 'hookspath') return inProject(root, join(root, gitFolder, '..'), value)
    if ((section !== 'include' && section !== 'includeif') || key !== 'path') return []
    const included = inProject(root, dirname(join(root, file)), value)
    return depth === 0 ? included : [...included, ...included.flatMap((path) => namedByFile(root, gitFolder, path, depth - 1))]
  })
}

/** A path of a setting, relative to the project; none when it leads elsewhere. */
function inProject(root: string, from: string, value: string): string[] {
  const path = value.startsWith('/') ? normalize(value) : join(from, value)
  return isWithin(path, root) && path !== root ? [path.slice(root.length + 1)] : []
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    ignore(error, 'without a readable configuration there is no such setting')
    return ''
  }
}

/** Where `path` really is, relative to the project; undefined when it is not there or elsewhere. */
function realInside(root: string, path: string): string | undefined {
  try {
    const real = realpathSync(join(root, path))
    return isWithin(real, root) && real !== root ? real.slice(root.length + 1) : undefined
  } catch (error) {
    ignore(error, 'not there')
    return undefined
  }
}

function identityOf(path: string): string {
  const stat = lstat(path)
  return stat === undefined ? 'absent' : `${stat.dev}:${stat.ino}:${stat.mode}`
}

function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    ignore(error, 'a folder on the way is none, or may not be read')
    return undefined
  }
}
