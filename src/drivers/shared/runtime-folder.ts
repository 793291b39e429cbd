import { lstatSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../contract/errors.ts'
import { isErrno } from '../../lib/errno.ts'
import { ignore } from '../../lib/ignore.ts'

/** Where a sandbox that runs has its socket: below the runtime folder, which others of the same user may share. */
export const socketIn = (folder: string): string => join(folder, 'shim.sock')

/** Most bytes of a socket's path; the kernel takes 107. */
const LONGEST_SOCKET = 100
/** Sandboxes whose names begin alike beyond this many are not to be expected, of 2^32 names. */
const MOST_TRIES = 8
const OWNER_FILE = 'owner.json'
/** A folder that is empty this long, in ms, has nobody who is about to fill it. */
const ABANDONED_MS = 60_000

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
    if (claim(path, owner)) return path
  }
  throw unusable(runtimeDir, 'it is full of the folders of others')
}

function claim(path: string, owner: RuntimeOwner): boolean {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw unusable(path, error instanceof Error ? error.message : String(error), error)
    const info = lstatSync(path)
    if (!info.isDirectory() || info.uid !== process.getuid?.() || (info.mode & 0o777) !== 0o700) return false
    const there = readOwner(path)
    // Without a mark: somebody was interrupted here before anything came of it.
    if (there !== undefined) return isOwner(there, owner)
  }
  writeFileSync(join(path, OWNER_FILE), JSON.stringify(owner), { mode: 0o600 })
  return true
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

/** Removes folders that were made and never marked, by somebody who crashed in between. Whoever is just about to mark one is left alone. */
export function dropAbandoned(runtimeDir: string): void {
  for (const name of names(runtimeDir)) {
    const path = join(runtimeDir, name)
    try {
      if (/^[0-9a-f]{8}$/.test(name) && Date.now() - lstatSync(path).mtimeMs > ABANDONED_MS) rmdirSync(path)
    } catch (error) {
      ignore(error, 'not empty, so not abandoned')
    }
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
