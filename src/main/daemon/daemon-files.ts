import { readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bootId, isRunningProcess, startTimeOf } from '../../lib/process-identity.ts'
import { ignore } from '../../lib/ignore.ts'

/**
 * What of a daemon is on disk. It owns a data folder, so that is where it is found and locked; its socket may be in another runtime
 * folder than the one we would choose.
 */
export interface DaemonFiles {
  /** Who the daemon is. */
  readonly identity: string
  /** Held by the daemon as long as it lives. */
  readonly lock: string
  /** Taken by the shim that starts a crashed daemon again. */
  readonly restartLock: string
}
export const daemonFiles = (dataDir: string): DaemonFiles => ({
  identity: join(dataDir, 'daemon.json'),
  lock: join(dataDir, 'daemon.lock'),
  restartLock: join(dataDir, 'restart.lock'),
})

/** Where a daemon listens. */
export interface DaemonAddress {
  readonly socket: string
  /** File with what every connection must show; only the user can read it. New with each daemon. */
  readonly token: string
}
/** Daemons of several data folders may share a runtime folder, so their files there are named after the data folder. */
export function daemonAddress(runtimeDir: string, dataDir: string): DaemonAddress {
  const mark = new Bun.CryptoHasher('sha256').update(realPath(dataDir)).digest('hex').slice(0, 8)
  return { socket: join(runtimeDir, `daemon-${mark}.sock`), token: join(runtimeDir, `daemon-${mark}.token`) }
}

/** The same for everybody, whatever link or spelling led them to the folder. */
function realPath(folder: string): string {
  try {
    return realpathSync(folder)
  } catch (error) {
    ignore(error, 'where there is no folder there is no daemon either')
    return folder
  }
}

export interface DaemonIdentity {
  readonly pid: number
  readonly start_time: string
  readonly boot_id: string
  readonly version: string
  /** Which build of that version: changes when the program's file does. */
  readonly build: string
  readonly started_at: string
  readonly runtime_dir: string
  /** True when somebody asked for a daemon that stays. */
  readonly stays: boolean
  /** Address of the TCP listener, when there is one. */
  readonly url?: string
}

export function ownIdentity(facts: Pick<DaemonIdentity, 'version' | 'build' | 'stays' | 'url' | 'runtime_dir'>): DaemonIdentity {
  return {
    pid: process.pid,
    start_time: startTimeOf(process.pid) ?? '0',
    boot_id: bootId() ?? '',
    started_at: new Date().toISOString(),
    ...facts,
  }
}

export function writeIdentity(files: DaemonFiles, identity: DaemonIdentity): void {
  writeFileSync(`${files.identity}.new`, JSON.stringify(identity), { mode: 0o600 })
  renameSync(`${files.identity}.new`, files.identity)
}

/** The daemon that lives; undefined when none does, whatever file is there. */
export function readIdentity(files: DaemonFiles): DaemonIdentity | undefined {
  try {
    const identity = JSON.parse(readFileSync(files.identity, 'utf8')) as DaemonIdentity
    return identity.boot_id === (bootId() ?? '') && isRunningProcess(identity.pid, identity.start_time) ? identity : undefined
  } catch (error) {
    ignore(error, 'no daemon has written who it is')
    return undefined
  }
}

/** The token of the daemon that listens; undefined when there is none. */
export function readToken(address: DaemonAddress): string | undefined {
  try {
    return readFileSync(address.token, 'utf8')
  } catch (error) {
    ignore(error, 'no daemon has made one')
    return undefined
  }
}

/** Tells two builds of one version apart: the program's file is another one then. */
export function buildOf(path: string): string {
  const info = statSync(path, { throwIfNoEntry: false })
  return info === undefined ? 'gone' : `${info.ino}.${Math.round(info.mtimeMs)}.${info.size}`
}
