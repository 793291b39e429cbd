import { closeSync, constants, mkdirSync, openSync } from 'node:fs'
import { AppError } from '../../contract/errors.ts'
import { isErrno } from '../../lib/errno.ts'
import { quoted } from '../printable.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants
/** Of folders that nothing said a mode for. */
const USUAL_MODE = 0o755

/**
 * A folder of this machine in which names are reached through open folders, one step at a time, never through a symlink: what is
 * written stays below it even when names change meanwhile.
 */
export class FolderBelow {
  readonly #base: number
  readonly #shown: string
  /** The folder used last, because the next name is mostly in it too. */
  #last: { readonly fd: number; readonly key: string } | undefined

  /** `path` may itself be reached through symlinks: the user named it. Errors: those of opening a folder. */
  constructor(path: string) {
    this.#base = openSync(path, O_RDONLY | O_DIRECTORY)
    this.#shown = path
  }

  /** A path for `name` in the folder `parts`, of which what is missing is made; good until the next call. Errors: `path_forbidden`, `file_exists`. */
  place(parts: readonly string[], name: string): string {
    return entryOf(this.#folder(parts), name)
  }

  close(): void {
    this.#forget()
    closeSync(this.#base)
  }

  #folder(parts: readonly string[]): number {
    if (parts.length === 0) return this.#base
    const key = parts.join('/')
    if (this.#last?.key === key) return this.#last.fd
    let fd = this.#base
    for (const [depth, part] of parts.entries()) {
      try {
        const next = this.#step(fd, part, parts.slice(0, depth + 1))
        if (fd !== this.#base) closeSync(fd)
        fd = next
      } catch (error) {
        if (fd !== this.#base) closeSync(fd)
        throw error
      }
    }
    this.#forget()
    this.#last = { fd, key }
    return fd
  }

  #step(parent: number, name: string, parts: readonly string[]): number {
    const path = entryOf(parent, name)
    try {
      return openFolder(path)
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw this.#refusal(error, parts)
    }
    try {
      mkdirSync(path, USUAL_MODE)
      return openFolder(path)
    } catch (error) {
      throw this.#refusal(error, parts)
    }
  }

  #refusal(error: unknown, parts: readonly string[]): unknown {
    const shown = quoted(`${this.#shown}/${parts.join('/')}`)
    if (isErrno(error, 'ELOOP', 'EMLINK', 'ENOTDIR')) {
      return new AppError('path_forbidden', `nothing is written to what lies below ${shown}: it is no folder, or a symlink.`, {
        cause: error,
        fix: 'Copy to another place, or remove what is in the way.',
      })
    }
    return error
  }

  #forget(): void {
    if (this.#last !== undefined) closeSync(this.#last.fd)
    this.#last = undefined
  }
}

/** Opens a folder that is no symlink. */
export function openFolder(path: string): number {
  return openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
}

/** The name in an open folder, wherever that has moved. */
function entryOf(fd: number, name: string): string {
  return `/proc/self/fd/${fd}/${name}`
}
