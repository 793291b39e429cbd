import { close, constants, fstat, lstatSync, open, opendirSync, read, readlinkSync, type Stats } from 'node:fs'
import { promisify } from 'node:util'
import type { TarHeader } from 'modern-tar'
import { createTarPacker } from 'modern-tar'
import { isErrno } from '../../lib/errno.ts'
import { quoted } from '../printable.ts'

const CHUNK = 256 * 1024
const [openFile, statOpen, closeFile] = [promisify(open), promisify(fstat), promisify(close)]

export interface PackOptions {
  /** Folder of the host whose contents are packed. */
  readonly folder: string
  /** What all names begin with; empty for nothing. */
  readonly root: string
  readonly signal: AbortSignal
  readonly onNotice: (text: string) => void
}

/**
 * A folder as a tar stream. Symlinks are kept as they are, never followed; sockets, devices, FIFOs and what cannot be read are left out, and said. A
 * file that becomes shorter while it is read is filled up with zeroes, and said.
 */
export function pack(options: PackOptions): AsyncIterable<Uint8Array> {
  const { readable, controller } = createTarPacker()
  const walk = async (): Promise<void> => {
    try {
      await new Packing(options, controller).folder(options.folder, options.root)
      controller.finalize()
    } catch (error) {
      controller.error(error)
    }
  }
  void walk()
  return readable
}

class Packing {
  readonly #options: PackOptions
  readonly #controller: ReturnType<typeof createTarPacker>['controller']

  constructor(options: PackOptions, controller: ReturnType<typeof createTarPacker>['controller']) {
    this.#options = options
    this.#controller = controller
  }

  /** The folder itself, unless it has no name, and what is in it. */
  async folder(path: string, name: string): Promise<void> {
    this.#options.signal.throwIfAborted()
    const entries = this.#names(path)
    if (entries === undefined) return
    const info = lstatSync(path.endsWith('/') ? path : `${path}/`)
    if (name !== '') await this.#add({ ...facts(info), name: `${name}/`, size: 0, type: 'directory' })
    for (const entry of entries) await this.#entry(`${path}/${entry}`, name === '' ? entry : `${name}/${entry}`)
  }

  #names(path: string): readonly string[] | undefined {
    try {
      const folder = opendirSync(path)
      const names: string[] = []
      for (let entry = folder.readSync(); entry !== null; entry = folder.readSync()) names.push(entry.name)
      folder.closeSync()
      return names.toSorted()
    } catch (error) {
      this.#skip(path, error)
      return undefined
    }
  }

  async #entry(path: string, name: string): Promise<void> {
    let info: Stats
    try {
      info = lstatSync(path)
      if (info.isSymbolicLink()) {
        return await this.#add({ ...facts(info), name, size: 0, type: 'symlink', linkname: readlinkSync(path) })
      }
    } catch (error) {
      return this.#skip(path, error)
    }
    if (info.isDirectory()) await this.folder(path, name)
    else if (info.isFile()) await this.#file(path, name)
    else this.#options.onNotice(`${quoted(path)} is left out: it is no file, folder or symlink.`)
  }

  async #file(path: string, name: string): Promise<void> {
    let fd: number
    try {
      // Not following and not blocking, should it have been replaced since it was looked at.
      fd = await openFile(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    } catch (error) {
      return this.#skip(path, error)
    }
    try {
      const info = await statOpen(fd)
      if (!info.isFile()) return this.#options.onNotice(`${quoted(path)} is left out: it is no file any more.`)
      const writer = this.#controller.add({ ...facts(info), name, size: info.size, type: 'file' }).getWriter()
      await this.#content(fd, path, info.size, (bytes) => writer.write(bytes))
      await writer.close()
    } finally {
      await closeFile(fd)
    }
  }

  /** Exactly `size` bytes: the header has promised them. */
  async #content(fd: number, path: string, size: number, send: (bytes: Uint8Array) => Promise<void>): Promise<void> {
    let left = size
    while (left > 0) {
      this.#options.signal.throwIfAborted()
      // A new one each time: the one before may still be on its way.
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK, left))
      const count = await readSome(fd, buffer)
      if (count === 0) break
      await send(buffer.subarray(0, count))
      left -= count
    }
    if (left > 0) this.#options.onNotice(`${quoted(path)} became shorter while it was read; the copy ends in zeroes.`)
    for (; left > 0; left -= Math.min(CHUNK, left)) await send(Buffer.alloc(Math.min(CHUNK, left)))
  }

  async #add(header: TarHeader): Promise<void> {
    await this.#controller.add(header).close()
  }

  #skip(path: string, error: unknown): void {
    const reason = error instanceof Error && isErrno(error, 'ENOENT') ? 'it is gone, or its name is not UTF-8' : 'it cannot be read'
    this.#options.onNotice(`${quoted(path)} is left out: ${reason}.`)
  }
}

/** Owners stay behind: numbers mean others on the other side. */
function facts(info: Stats): Pick<TarHeader, 'mode' | 'mtime'> {
  return { mode: info.mode & 0o777, mtime: info.mtime }
}

function readSome(fd: number, buffer: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, buffer.length, null, (error, count) => (error === null ? resolve(count) : reject(error)))
  })
}
