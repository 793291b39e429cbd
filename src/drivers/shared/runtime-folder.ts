import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../contract/errors.ts'
import { isErrno } from '../../lib/errno.ts'
import { ignore } from '../../lib/ignore.ts'
import { isSameProcess, startTimeOf } from '../../lib/process-identity.ts'

/** Where a sandbox that runs has its socket: below the runtime folder, which others of the same user may share. */
export const socketIn = (folder: string): string => join(folder, 'shim.sock')
/** Where gateways connect, next to it. */
export const egressIn = (folder: string): string => join(folder, 'egress.sock')

/** Most bytes of a socket's path; the kernel takes 107. */
const LONGEST_SOCKET = 100
/** Sandboxes whose names begin alike beyond this many are not to be expected, of 2^32 names. */
const MOST_TRIES = 8
const OWNER_FILE = 'owner.json'

/** Whose a folder is. */
interface RuntimeOwner {
  readonly sandbox: string
  /** The sandbox's folder on disk. */
  readonly folder: string
}

/**
 * The runtime folder of a sandbox, made if it is not there: eight characters that follow from its id, 0700, ours, and marked with its owner.
 * Safe to repeat. Errors: `sandbox_start_failed`.
 */
export function claimRuntimeFolder(runtimeDir: string, owner: RuntimeOwner): string {
  mkdirSync(runtimeDir, { recursive: true, mode: 0o700 })
  for (let number = 0; number < MOST_TRIES; number++) {
    const path = join(runtimeDir, nameOf(owner, number))
    if (Buffer.byteLength(socketIn(path)) > LONGEST_SOCKET) throw unusable(path, `a socket's path may have ${LONGEST_SOCKET} bytes`)
    if (claim(runtimeDir, nameOf(owner, number), owner)) return path
  }
  throw unusable(runtimeDir, 'it is full of the folders of others')
}

/** Marked before it has its name, so that at no moment there is one that is nobody's. */
function claim(runtimeDir: string, name: string, owner: RuntimeOwner): boolean {
  const path = join(runtimeDir, name)
  const info = lstatSync(path, { throwIfNoEntry: false })
  if (info?.isDirectory() === true && info.uid === process.getuid?.() && (info.mode & 0o777) === 0o700 && isOwner(readOwner(path), owner)) {
    return true
  }
  const fresh = join(runtimeDir, `.${name}.${process.pid}.${startTimeOf(process.pid) ?? '0'}`)
  try {
    mkdirSync(fresh, { mode: 0o700 })
    writeFileSync(join(fresh, OWNER_FILE), JSON.stringify(owner), { mode: 0o600 })
    renameSync(fresh, path)
    return true
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true })
    // Something that is somebody else's is there.
    if (isErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EPERM')) return false
    throw unusable(path, error instanceof Error ? error.message : String(error), error)
  }
}

/** The folder that is a sandbox's now; undefined when it has none. */
export function findRuntimeFolder(runtimeDir: string, owner: RuntimeOwner): string | undefined {
  for (let number = 0; number < MOST_TRIES; number++) {
    const path = join(runtimeDir, nameOf(owner, number))
    if (isOwner(readOwner(path), owner)) return path
  }
  return undefined
}

/** Owners of every folder there. */
export function runtimeOwners(runtimeDir: string): RuntimeOwner[] {
  return names(runtimeDir).flatMap((name) => readOwner(join(runtimeDir, name)) ?? [])
}

function names(runtimeDir: string): string[] {
  try {
    return readdirSync(runtimeDir)
  } catch (error) {
    ignore(error, 'nothing ever ran here')
    return []
  }
}

/** Removes folders that never got their name, because their maker crashed. */
export function dropAbandoned(runtimeDir: string): void {
  for (const name of names(runtimeDir)) {
    const [, pid, startTime] = /^\.[0-9a-f]{8}\.(\d+)\.(\d+)$/.exec(name) ?? []
    if (pid === undefined || startTime === undefined || isSameProcess(Number(pid), startTime)) continue
    rmSync(join(runtimeDir, name), { recursive: true, force: true })
  }
}

/** Removes the folder of a sandbox, unless it is somebody else's by now. */
export function removeRuntimeFolder(path: string, owner: RuntimeOwner): void {
  if (isOwner(readOwner(path), owner)) rmSync(path, { recursive: true, force: true })
}

const isOwner = (there: RuntimeOwner | undefined, owner: RuntimeOwner): boolean =>
  there?.sandbox === owner.sandbox && there.folder === owner.folder

function nameOf({ sandbox, folder }: RuntimeOwner, number: number): string {
  return new Bun.CryptoHasher('sha256').update(`${folder}/${sandbox}/${number}`).digest('hex').slice(0, 8)
}

function readOwner(path: string): RuntimeOwner | undefined {
  try {
    // Only we write it: the folder above lets nobody else in.
    return JSON.parse(readFileSync(join(path, OWNER_FILE), 'utf8')) as RuntimeOwner
  } catch (error) {
    ignore(error, 'not a folder of a sandbox')
    return undefined
  }
}

function unusable(path: string, reason: string, cause?: unknown): AppError {
  return new AppError('sandbox_start_failed', `the folder for a socket, ${path}, cannot be used: ${reason}`, {
    ...(cause === undefined ? {} : { cause }),
    fix: 'Set XDG_RUNTIME_DIR to a folder of yours with a short path.',
  })
}
