import { dirname, relative, resolve } from 'node:path'
import type { ResolvedConfig } from '../../contract/config.ts'
import { AppError } from '../../contract/errors.ts'
import type { TrustStore } from '../../store/trust.ts'
import { findProjectConfig } from './find.ts'
import { isInside } from './inside.ts'
import { readConfigFile } from './read-file.ts'
import type { FoundFile } from './resolve.ts'

export interface LoadConfigInput {
  /** Where the user stands, absolute; undefined when it no longer exists: then there is no project. */
  readonly cwd: string | undefined
  /** A file the user named; it takes the place of the project's and is trusted. */
  readonly explicitPath?: string | undefined
  /** The top of the project `cwd` is in, absolute; undefined = only `cwd` is searched. */
  readonly projectRoot: string | undefined
  readonly userConfigPath: string
  readonly trust: TrustStore
}

/**
 * Finds, checks and merges the user's config and the project's, or the file the user named. Without any file this
 * costs a few system calls: the parser and the tables are loaded only when there is something to parse.
 *
 * Errors: `config_invalid` (every problem of a file, one line each), `config_not_found` (the named file).
 */
export async function loadConfig(input: LoadConfigInput): Promise<ResolvedConfig> {
  const files = [readUserFile(input.userConfigPath), readUpperFile(input)].filter((file) => file !== undefined)
  if (files.length === 0) return emptyConfig()
  const { resolveFiles } = await import('./resolve.ts')
  const config = resolveFiles(files, input.projectRoot)
  // Whoever trusted the file wants to know why it does not count.
  const problem = config.inertKeys.length > 0 ? input.trust.problem() : undefined
  return problem === undefined ? config : { ...config, warnings: [...config.warnings, problem] }
}

/** The configuration of somebody who has no config file. */
export function emptyConfig(): ResolvedConfig {
  return {
    sources: [],
    warnings: [],
    inertKeys: [],
    laterKeys: [],
    security: {},
    commands: [],
    minIsolation: 'process',
    minNetwork: 'public',
    domains: { allow: [], block: [], allowlistOnly: false },
    publish: [],
    environment: {},
  }
}

function readUserFile(path: string): FoundFile | undefined {
  const content = readConfigFile(path, { shownAs: path })
  return content === undefined ? undefined : { kind: 'user', path, shownAs: path, content, trusted: true }
}

function readUpperFile({ cwd, explicitPath, projectRoot, trust }: LoadConfigInput): FoundFile | undefined {
  if (explicitPath !== undefined) return readExplicitFile(explicitPath, cwd)
  if (cwd === undefined) return undefined
  const path = findProjectConfig(cwd, projectRoot)
  if (path === undefined) return undefined
  const shownAs = relative(cwd, path)
  const root = projectRoot !== undefined && isInside(path, projectRoot) ? projectRoot : dirname(path)
  const content = readConfigFile(path, { shownAs, within: root })
  if (content === undefined) return undefined
  return { kind: 'project', path, shownAs, content, trusted: trust.isTrusted(content.realPath, content.sha256) }
}

function readExplicitFile(path: string, cwd: string | undefined): FoundFile {
  const full = resolve(cwd ?? '/', path)
  const content = path === '' ? undefined : readConfigFile(full, { shownAs: path })
  if (content === undefined) throw new AppError('config_not_found', `config file "${path}" does not exist`)
  return { kind: 'explicit', path: full, shownAs: path, content, trusted: true }
}
