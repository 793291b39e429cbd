import {
  chmodSync,
  closeSync,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  write,
} from 'node:fs'
import type { ParsedTarEntry, TarHeader } from 'modern-tar'
import { createTarDecoder } from 'modern-tar'
import { isErrno } from '../../lib/errno.ts'
import { ignore } from '../../lib/ignore.ts'
import { quoted } from '../printable.ts'
import { failureOf, inTheWay, refused } from './copy-errors.ts'
import { FolderBelow, openFolder } from './folder-below.ts'

/** Longest name in an archive, in bytes: what a path may have. */
const MOST_NAME_BYTES = 4096
/** Folders whose mode lets nothing be made in them get it at the end; more than this stay open for their owner. */
const MOST_CLOSED = 65_536
/** Permissions that are taken over; what would lend somebody's rights is not. */
const PLAIN_MODE = 0o777

export interface ExtractOptions {
  /** Existing folder that gets everything. */
  readonly folder: string
  /** The name that all names of the archive begin with, and what stands in its place; empty for nothing. */
  readonly root: { readonly from: string; readonly to: string }
  readonly signal: AbortSignal
  /** One sentence about what was left out. */
  readonly onNotice: (text: string) => void
}

export interface Extracted {
  /** Everything but folders. */
  readonly files: number
  readonly bytes: number
}

/**
 * Unpacks a tar stream that somebody hostile may have made. Nothing is written outside `folder`, not even through a symlink that is in
 * the archive or was there; names that lead upwards or begin at the root, devices and files with holes are refused; what lends
 * rights (setuid, setgid) and owners are dropped. Each file is complete or not there. Symlinks are made as they are.
 * Errors: `path_forbidden`, `file_exists`, `output_failed`, `disk_full`, `canceled`.
 */
export async function extract(bytes: AsyncIterable<Uint8Array>, options: ExtractOptions): Promise<Extracted> {
  const target = new Target(options)
  const decoder = createTarDecoder({ strict: true })
  const feeding = feed(bytes, decoder.writable, options.signal)
  feeding.catch((error: unknown) => ignore(error, 'the decoder fails with the same error, and is read to its end'))
  const reader = decoder.readable.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      await target.add(value)
    }
    await feeding
    target.finish()
    return target.done
  } catch (error) {
    await reader.cancel(error).catch((second: unknown) => ignore(second, 'the first failure is told'))
    throw failureOf(options.signal.aborted ? options.signal.reason : error)
  } finally {
    target.close()
  }
}

async function feed(bytes: AsyncIterable<Uint8Array>, writable: WritableStream<Uint8Array>, signal: AbortSignal): Promise<void> {
  const writer = writable.getWriter()
  try {
    for await (const piece of bytes) {
      signal.throwIfAborted()
      await writer.write(piece)
    }
    await writer.close()
  } catch (error) {
    await writer.abort(error).catch((second: unknown) => ignore(second, 'the first failure is told'))
    throw error
  }
}

class Target {
  readonly #options: ExtractOptions
  readonly #below: FolderBelow
  readonly #closed: { readonly parts: readonly string[]; readonly mode: number }[] = []
  #files = 0
  #bytes = 0
  #leading = 0

  constructor(options: ExtractOptions) {
    this.#options = options
    this.#below = new FolderBelow(options.folder)
  }

  get done(): Extracted {
    return { files: this.#files, bytes: this.#bytes }
  }

  close(): void {
    this.#below.close()
  }

  async add({ header, body }: ParsedTarEntry): Promise<void> {
    this.#options.signal.throwIfAborted()
    const parts = this.#partsOf(header.name)
    if (Object.keys(header.pax ?? {}).some((key) => key.startsWith('GNU.sparse.')))
      throw refused(header.name, 'files with holes are not unpacked')
    switch (header.type ?? 'file') {
      case 'directory':
        this.#folder(parts, plainMode(header, 0o755))
        return body.cancel()
      case 'file':
        return this.#file(parts, header, body)
      case 'symlink':
        this.#symlink(parts, header)
        return body.cancel()
      case 'link':
        this.#link(parts, header)
        return body.cancel()
      default:
        throw refused(header.name, 'devices and FIFOs are not unpacked')
    }
  }

  /** Gives folders their modes that let nothing be made in them, the innermost first. */
  finish(): void {
    for (const { parts, mode } of this.#closed.toReversed()) chmodSync(this.#below.place(parts.slice(0, -1), parts.at(-1)!), mode)
    if (this.#leading > 0) {
      const what = this.#leading === 1 ? 'one symlink leads' : `${this.#leading} symlinks lead`
      this.#options.onNotice(`${what} out of what was copied; look before you follow.`)
    }
  }

  /** The names of a path in the archive, as they are below the folder; none for the folder itself. */
  #partsOf(name: string): readonly string[] {
    if (name.startsWith('/')) throw refused(name, 'the name is absolute')
    if (name.includes('\0') || Buffer.byteLength(name) > MOST_NAME_BYTES) throw refused(name, 'a name has at most 4,096 bytes and no NUL')
    if (name.includes('\ufffd')) throw refused(name, 'the name is not UTF-8')
    const parts = name.split('/').filter((part) => part !== '' && part !== '.')
    if (parts.includes('..')) throw refused(name, 'the name leads upwards')
    const { from, to } = this.#options.root
    if (from === '') return parts
    if (parts[0] !== from) throw refused(name, `it is not below ${quoted(from)}, which was asked for`)
    return to === '' ? parts.slice(1) : [to, ...parts.slice(1)]
  }

  #folder(parts: readonly string[], mode: number): void {
    const name = parts.at(-1)
    if (name === undefined) return
    const place = this.#below.place(parts.slice(0, -1), name)
    try {
      mkdirSync(place, mode | 0o700)
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error
      // One that is there keeps its mode. Going into it refuses what is no folder.
      this.#below.place(parts, '.')
      return
    }
    const fd = openFolder(place)
    fchmodSync(fd, mode | 0o700)
    closeSync(fd)
    if ((mode & 0o700) !== 0o700 && this.#closed.length < MOST_CLOSED) this.#closed.push({ parts, mode })
  }

  async #file(parts: readonly string[], header: TarHeader, body: ReadableStream<Uint8Array>): Promise<void> {
    const name = requireName(parts, header)
    const above = parts.slice(0, -1)
    const temporary = `.${crypto.randomUUID()}.agentkernel`
    const fd = openSync(this.#below.place(above, temporary), 'wx', 0o600)
    let renamed = false
    try {
      for await (const piece of body) {
        this.#options.signal.throwIfAborted()
        await writeAll(fd, piece)
        this.#bytes += piece.length
      }
      fchmodSync(fd, plainMode(header, 0o644))
      if (header.mtime !== undefined && Number.isFinite(header.mtime.getTime())) futimesSync(fd, header.mtime, header.mtime)
      // Asked again: the folder may be another one by now.
      rename(this.#below.place(above, temporary), this.#below.place(above, name), header.name)
      renamed = true
      this.#files++
    } finally {
      closeSync(fd)
      if (!renamed) tryUnlink(this.#below.place(above, temporary))
    }
  }

  #symlink(parts: readonly string[], header: TarHeader): void {
    const name = requireName(parts, header)
    const target = header.linkname ?? ''
    if (target === '' || target.includes('\0') || Buffer.byteLength(target) >= MOST_NAME_BYTES)
      throw refused(header.name, 'its target is no path')
    const place = this.#below.place(parts.slice(0, -1), name)
    makeRoom(place, header.name)
    symlinkSync(target, place)
    if (leadsOut(parts, target)) this.#leading++
    this.#files++
  }

  #link(parts: readonly string[], header: TarHeader): void {
    const name = requireName(parts, header)
    const source = this.#partsOf(header.linkname ?? '')
    const from = requireName(source, header)
    // The link is made under a new name first: the last folder asked for stays open, and the source's may be another.
    const old = this.#below.place(source.slice(0, -1), from)
    const info = lstatSync(old, { throwIfNoEntry: false })
    if (info === undefined || !info.isFile()) throw refused(header.name, 'it is a link to what is no file of the archive')
    const base = this.#below.place([], `.${crypto.randomUUID()}.agentkernel`)
    linkSync(old, base)
    try {
      rename(base, this.#below.place(parts.slice(0, -1), name), header.name)
    } finally {
      // Renaming a file to another name of itself does nothing, and leaves both.
      tryUnlink(base)
    }
    this.#files++
  }
}

function plainMode({ mode }: TarHeader, usual: number): number {
  return (mode ?? usual) & PLAIN_MODE
}

function requireName(parts: readonly string[], header: TarHeader): string {
  const name = parts.at(-1)
  if (name === undefined) throw refused(header.name, 'it has no name')
  return name
}

/** True when a symlink at `parts` with this target leaves the folder that everything is copied into. */
function leadsOut(parts: readonly string[], target: string): boolean {
  if (target.startsWith('/')) return true
  let depth = parts.length - 1
  for (const part of target.split('/')) {
    if (part === '..') depth--
    else if (part !== '' && part !== '.') depth++
    if (depth < 0) return true
  }
  return false
}

function rename(from: string, to: string, shown: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    throw isErrno(error, 'EISDIR', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR') ? inTheWay(shown, error) : error
  }
}

/** Removes a file or symlink that has the name. */
function makeRoom(place: string, shown: string): void {
  try {
    unlinkSync(place)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return
    throw isErrno(error, 'EISDIR', 'EPERM') ? inTheWay(shown, error) : error
  }
}

function tryUnlink(place: string): void {
  try {
    unlinkSync(place)
  } catch (error) {
    ignore(error, 'it is gone already')
  }
}

function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const next = (rest: Uint8Array): void =>
      write(fd, rest, (error, size) => {
        if (error !== null) reject(error)
        else if (size < rest.length) next(rest.subarray(size))
        else resolve()
      })
    if (bytes.length === 0) resolve()
    else next(bytes)
  })
}
