import { chmodSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AppError } from '../../contract/errors.ts'
import { isErrno } from '../../lib/errno.ts'
import { ignore } from '../../lib/ignore.ts'

/** A socket's path may have 107 bytes; this leaves room for our folder and for the names of daemons and sandboxes in it. */
const LONGEST_BYTES = 64

/**
 * The folder for sockets: `$XDG_RUNTIME_DIR/agentkernel`; else `run` beside our state; else, where that path is too long for a socket, a folder in
 * the temporary folder with a random name that is written down beside our state. Made 0700. A folder that belongs to somebody else, can be
 * entered by others, or is a symlink is refused. Errors: `daemon_unreachable`.
 */
export function runtimeDir(env: Readonly<Record<string, string | undefined>>, stateDir: string, uid: number): string {
  const given = env['XDG_RUNTIME_DIR']
  if (given !== undefined && given.startsWith('/') && fits(given) && isOwn(given, uid)) return ownFolder(join(given, 'agentkernel'), uid)
  const beside = join(stateDir, 'run')
  makeParent(stateDir)
  return fits(beside) ? ownFolder(beside, uid) : randomFolder(stateDir, uid)
}

const fits = (path: string): boolean => Buffer.byteLength(path) <= LONGEST_BYTES

/** Somebody's runtime folder that is not ours (after `sudo`, say) is passed over rather than used. */
function isOwn(path: string, uid: number): boolean {
  const info = lstatSync(path, { throwIfNoEntry: false })
  return info !== undefined && info.isDirectory() && info.uid === uid
}

function makeParent(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw unusable(path, error instanceof Error ? error.message : String(error), error)
  }
}

/** Makes the folder, or makes sure of the one that is there. */
export function ownFolder(path: string, uid: number): string {
  try {
    mkdirSync(path, { mode: 0o700 })
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw unusable(path, error instanceof Error ? error.message : String(error), error)
  }
  const info = lstatSync(path)
  if (!info.isDirectory()) throw unusable(path, 'it is not a folder')
  if (info.uid !== uid) throw unusable(path, `it belongs to user ${info.uid}`)
  if ((info.mode & 0o077) !== 0) chmodSync(path, 0o700)
  return path
}

function randomFolder(stateDir: string, uid: number): string {
  const note = join(stateDir, 'runtime-dir')
  const written = readNote(note)
  if (written !== undefined && isOwn(written, uid)) return ownFolder(written, uid)
  const made = mkdtempSync(join(tmpdir(), 'agentkernel-'))
  writeFileSync(`${note}.${process.pid}`, made, { mode: 0o600 })
  renameSync(`${note}.${process.pid}`, note)
  return made
}

function readNote(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    ignore(error, 'none was made yet')
    return undefined
  }
}

function unusable(path: string, reason: string, cause?: unknown): AppError {
  return new AppError('daemon_unreachable', `the folder for sockets, ${path}, cannot be used: ${reason}`, {
    ...(cause === undefined ? {} : { cause }),
    fix: 'Set XDG_RUNTIME_DIR to a folder of yours, or remove what is in the way.',
  })
}
