import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { AppError } from '../contract/errors.ts'

/** Where everything of ours is, resolved once. */
export interface Paths {
  readonly home: string
  /** Runs, caches, notices. */
  readonly dataDir: string
  /** `config.toml`, trusted files. */
  readonly configDir: string
  /** Audit log and, later, keys; the place the earlier product used. */
  readonly stateDir: string
  /** The static helper beside this executable. */
  readonly helperPath: string
}

type Environment = Readonly<Record<string, string | undefined>>

export function resolvePaths(env: Environment, execPath: string): Paths {
  const home = homeOf(env)
  return {
    home,
    dataDir: join(absolute(env['XDG_DATA_HOME']) ?? join(home, '.local', 'share'), 'agentkernel'),
    configDir: join(absolute(env['XDG_CONFIG_HOME']) ?? join(home, '.config'), 'agentkernel'),
    stateDir: join(home, '.agentkernel'),
    helperPath: join(dirname(execPath), 'agentkernel-guest'),
  }
}

/** The user's home. Without one there is no place for what must outlive a command, and none is guessed. */
function homeOf(env: Environment): string {
  const named = env['HOME']
  if (named !== undefined && named !== '') {
    if (isAbsolute(named)) return named
    throw new AppError('home_unknown', `HOME is "${named}", which is not an absolute path`)
  }
  try {
    return homedir()
  } catch (error) {
    throw new AppError('home_unknown', 'HOME is not set, and this user has no home in the password file', { cause: error })
  }
}

/** The XDG specification says that relative values are to be ignored. */
const absolute = (path: string | undefined): string | undefined => (path !== undefined && isAbsolute(path) ? path : undefined)
