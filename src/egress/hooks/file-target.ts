import { constants } from 'node:fs'
import { lstat, mkdir, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { HookTarget } from './hook-target.ts'

/** A file of this size is put aside as `NAME.1`, which replaces the one before. */
const MOST_BYTES = 64 * 1024 * 1024
const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants

export interface FileTargetOptions {
  /** Our own folder. What is in it is ours, too, and nothing in it is a link. */
  readonly folder: string
  /** Checked by `checkHook`. */
  readonly path: string
  /** @default 64 MiB */
  readonly mostBytes?: number
}

class NotOurs extends Error {}

/** A line of JSON for each request, at the end of a file that only this user can read. */
export function fileTarget({ folder, path, mostBytes = MOST_BYTES }: FileTargetOptions): HookTarget {
  return {
    batch: 500,
    atOnce: 1,
    deliver: async (payloads) => {
      const name = await below(folder, path)
      const size = await append(name, payloads.map((payload) => `${JSON.stringify(payload)}\n`).join(''))
      if (size > mostBytes) await rename(name, `${name}.1`)
    },
  }
}

/** The folders on the way, made where they are missing. Rejects when one is a link or belongs to somebody else. */
async function below(folder: string, path: string): Promise<string> {
  const parts = path.split('/')
  let at = folder
  for (const part of [undefined, ...parts.slice(0, -1)]) {
    at = part === undefined ? at : join(at, part)
    await mkdir(at, { recursive: part === undefined, mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
    const found = await lstat(at)
    if (!found.isDirectory() || !isOurs(found.uid)) throw new NotOurs(`${at} is no folder of this user`)
  }
  return join(at, parts.at(-1) ?? '')
}

/** Its size afterwards. */
async function append(name: string, text: string): Promise<number> {
  const file = await open(name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
  try {
    const found = await file.stat()
    if (!found.isFile() || found.nlink !== 1 || !isOurs(found.uid)) throw new NotOurs(`${name} is no file of this user alone`)
    if ((found.mode & 0o077) !== 0) await file.chmod(0o600)
    await file.appendFile(text)
    return found.size + Buffer.byteLength(text)
  } finally {
    await file.close()
  }
}

const isOurs = (uid: number): boolean => uid === (process.getuid?.() ?? uid)
