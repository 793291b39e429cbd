import { existsSync } from 'node:fs'
import type { CgroupRoots } from './cgroup.ts'

/**
 * A place for control groups for a user who logged in with a session that has none: a scope unit of the user's own systemd,
 * made once per login. How, and why the kernel leaves no other way, is told in `guest/internal/scope`.
 */
export interface UserScope {
  readonly uid: number
  /** The helper, which asks systemd for the scope. */
  readonly helperPath: string
  /** Where the user's manager has its sockets. @default /run/user/UID */
  readonly runtimeDir?: string
  /** The unit's group. @default where systemd puts it */
  readonly folder?: string
}

/** Longer than the helper waits for systemd, in ms. */
const HELPER_MS = 3_000
const HELPER_ENV = { GOMAXPROCS: '1' }

/** True when the user has a systemd to ask. Root needs none. */
export function hasUserManager({ uid, runtimeDir = `/run/user/${uid}` }: UserScope): boolean {
  return uid !== 0 && (existsSync(`${runtimeDir}/systemd/private`) || existsSync(`${runtimeDir}/bus`))
}

/** True when groups found from our own position could be made only in the user's scope. */
export function needsScope(roots: CgroupRoots | undefined): boolean {
  return roots?.version === 2 && roots.memory === '/sys/fs/cgroup/agentkernel'
}

/** Where groups can be made in the scope, which is made if it is not there. Undefined when systemd would not. */
export function scopeRoots(scope: UserScope): CgroupRoots | undefined {
  const folder = scope.folder ?? defaultFolder(scope.uid)
  // The launch group is the last that the helper makes.
  if (!existsSync(`${folder}/launch`) && askHelper(scope, []) !== undefined) return undefined
  const runs = `${folder}/runs`
  return { version: 2, memory: runs, pids: runs, cpu: runs, joinMayFail: true }
}

/** Why no process can be put into the scope, for people; undefined when it can. Tries it out. */
export function scopeFailure(scope: UserScope): string | undefined {
  return askHelper(scope, ['try'])
}

const defaultFolder = (uid: number): string => `/sys/fs/cgroup/user.slice/user-${uid}.slice/user@${uid}.service/app.slice/agentkernel.scope`

function askHelper({ helperPath }: UserScope, args: readonly string[]): string | undefined {
  if (!existsSync(helperPath)) return `${helperPath} does not exist`
  const asked = Bun.spawnSync([helperPath, 'scope', ...args], {
    env: HELPER_ENV,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: HELPER_MS,
  })
  return asked.success ? undefined : asked.stderr.toString().trim() || 'systemd did not answer in time'
}
