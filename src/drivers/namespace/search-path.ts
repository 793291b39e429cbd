import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { ignore } from '../../lib/ignore.ts'
import { DEFAULT_PATH } from './host-allowlist.ts'

/** Folders of the caller's PATH that exist in the sandbox, in the caller's order, with the system's own behind them. */
export function sandboxPath(input: {
  readonly callerPath: string
  readonly home: string
  /** Tool folders that are shown. */
  readonly toolFolders: readonly string[]
  /** The project, when it is shown. */
  readonly project: string | undefined
}): string {
  const shown = ['/usr', '/bin', '/sbin', ...input.toolFolders, ...(input.project === undefined ? [] : [input.project])]
  const entries = input.callerPath.split(':').flatMap((written) => {
    if (!written.startsWith('/')) return []
    // One spelling for each folder: without `..` and a slash at the end.
    const entry = resolve(written)
    const replaced = shimTargets(entry, input.home, input.toolFolders)
    if (replaced !== undefined) return replaced
    return shown.some((folder) => entry === folder || entry.startsWith(`${folder}/`)) ? [entry] : []
  })
  return [...new Set([...entries, ...DEFAULT_PATH])].join(':')
}

/**
 * Version managers put a folder of small starters on the PATH that need the manager's root, which is not shown. They
 * are replaced by the program folders of the version the user chose.
 */
function shimTargets(entry: string, home: string, toolFolders: readonly string[]): string[] | undefined {
  for (const manager of ['pyenv', 'rbenv', 'nodenv', 'goenv', 'phpenv']) {
    if (entry !== join(home, `.${manager}`, 'shims')) continue
    const versions = join(home, `.${manager}`, 'versions')
    return toolFolders.includes(versions)
      ? chosenVersions(join(home, `.${manager}`, 'version'), versions).map((name) => join(versions, name, 'bin'))
      : []
  }
  if (entry === join(home, '.cargo', 'bin')) {
    const toolchains = join(home, '.rustup', 'toolchains')
    const chosen = toolFolders.includes(toolchains) ? rustToolchain(join(home, '.rustup', 'settings.toml'), toolchains) : undefined
    return [...(chosen === undefined ? [] : [join(toolchains, chosen, 'bin')]), ...(toolFolders.includes(entry) ? [entry] : [])]
  }
  return undefined
}

/** The versions named in a manager's `version` file, or the newest that is installed. */
function chosenVersions(file: string, versions: string): string[] {
  const named = readText(file)
    .split(/\s+/)
    .filter((name) => /^\w[\w.-]*$/.test(name))
  const installed = named.filter((name) => statSync(join(versions, name), { throwIfNoEntry: false }) !== undefined)
  // `system` means the programs of the system, which are on the path anyway.
  if (installed.length > 0 || named.includes('system')) return installed
  const newest = listNames(versions)
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1)
  return newest === undefined ? [] : [newest]
}

function rustToolchain(settings: string, toolchains: string): string | undefined {
  const wanted = /^default_toolchain\s*=\s*"([\w.-]+)"/m.exec(readText(settings))?.[1]
  const names = listNames(toolchains)
  if (wanted === undefined) return names[0]
  return names.find((name) => name === wanted) ?? names.find((name) => name.startsWith(`${wanted}-`)) ?? names[0]
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    ignore(error, 'a manager without a settings file has no choice to honour')
    return ''
  }
}

function listNames(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    ignore(error, 'a folder that cannot be listed offers nothing')
    return []
  }
}
