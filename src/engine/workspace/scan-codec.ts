import type { BytePath } from './byte-path.ts'
import { FILE_STATES } from './scan-index.ts'
import type { FileState, FolderNode, Stamp, WatchedFile } from './scan-index.ts'

/**
 * The scan cache's layout, little-endian, made to be used as it lies in the file:
 *
 *     header   8 × uint32: magic, rules, folders, files, bytes of text, CRC-32 of what follows, 0, 0
 *     folders  8 × float64 each, a folder before what is in it: dev, ino, mtime, ctime, size, entries, files, folders
 *     files    6 × float64 each, in the order of their folders: dev, ino, mtime, ctime, size, state
 *     text     paths, each ended by NUL: the project's own, then relative to it those of folders and files
 */
const MAGIC = 0x324b5341
const HEADER_BYTES = 32
const FOLDER_NUMBERS = 8
const FILE_NUMBERS = 6

/** What a cache must have been made for. */
export interface IndexKey {
  readonly root: BytePath
  /** Fingerprint of the rules. */
  readonly rules: number
}

/** A whole index in flat arrays, so that comparing thousands of folders makes no objects. */
export class FlatIndex {
  readonly folders: number
  readonly files: number
  readonly #values: Float64Array
  /** The project's own path, then those of folders, then those of files. */
  readonly #paths: readonly BytePath[]

  constructor(values: Float64Array, paths: readonly BytePath[], folders: number, files: number) {
    this.#values = values
    this.#paths = paths
    this.folders = folders
    this.files = files
  }

  folderPath(folder: number): BytePath {
    return this.#paths[1 + folder]!
  }

  filePath(file: number): BytePath {
    return this.#paths[1 + this.folders + file]!
  }

  /** Names in that folder. */
  entries(folder: number): number {
    return this.#values[folder * FOLDER_NUMBERS + 5]!
  }

  fileState(file: number): FileState | undefined {
    return FILE_STATES[this.#values[this.#fileAt(file) + 5]!]
  }

  isFolderStamp(folder: number, stamp: Stamp): boolean {
    return this.#isStamp(folder * FOLDER_NUMBERS, stamp)
  }

  isFileStamp(file: number, stamp: Stamp): boolean {
    return this.#isStamp(this.#fileAt(file), stamp)
  }

  /** The same as a tree, whose folders are `current` unless named in `changed`. Undefined when the counts do not fit. */
  toTree(changed: ReadonlySet<number>): FolderNode | undefined {
    const next = { folder: 0, file: 0 }
    const root = this.#readFolder(next, '', changed)
    return next.folder === this.folders && next.file === this.files ? root : undefined
  }

  #readFolder(next: { folder: number; file: number }, prefix: BytePath, changed: ReadonlySet<number>): FolderNode | undefined {
    if (next.folder >= this.folders) return undefined
    const folder = next.folder++
    const at = folder * FOLDER_NUMBERS
    const path = this.folderPath(folder)
    const inner = path === '' ? '' : `${path}/`
    const files: WatchedFile[] = []
    for (let count = this.#values[at + 6]!; count > 0; count--) {
      const file = next.file++
      const state = file < this.files ? this.fileState(file) : undefined
      if (state === undefined) return undefined
      files.push({ name: this.filePath(file).slice(inner.length), state, stamp: this.#stampAt(this.#fileAt(file)) })
    }
    const folders: FolderNode[] = []
    for (let count = this.#values[at + 7]!; count > 0; count--) {
      const child = this.#readFolder(next, inner, changed)
      if (child === undefined) return undefined
      folders.push(child)
    }
    const name = path.slice(prefix.length)
    return { name, stamp: this.#stampAt(at), current: !changed.has(folder), entries: this.entries(folder), files, folders }
  }

  #fileAt(file: number): number {
    return this.folders * FOLDER_NUMBERS + file * FILE_NUMBERS
  }

  #isStamp(at: number, stamp: Stamp): boolean {
    const values = this.#values
    return (
      values[at] === stamp.dev &&
      values[at + 1] === stamp.ino &&
      values[at + 2] === stamp.mtimeMs &&
      values[at + 3] === stamp.ctimeMs &&
      values[at + 4] === stamp.size
    )
  }

  #stampAt(at: number): Stamp {
    const [dev, ino, mtimeMs, ctimeMs, size] = this.#values.subarray(at, at + 5)
    return { dev: dev!, ino: ino!, mtimeMs: mtimeMs!, ctimeMs: ctimeMs!, size: size! }
  }
}

export function encodeIndex(root: FolderNode, key: IndexKey): Uint8Array {
  const folders: number[] = []
  const files: number[] = []
  const folderPaths: BytePath[] = []
  const filePaths: BytePath[] = []
  const add = (folder: FolderNode, path: BytePath): void => {
    const inner = path === '' ? '' : `${path}/`
    folders.push(...numbersOf(folder.stamp), folder.entries, folder.files.length, folder.folders.length)
    folderPaths.push(path)
    for (const file of folder.files) {
      files.push(...numbersOf(file.stamp), FILE_STATES.indexOf(file.state))
      filePaths.push(inner + file.name)
    }
    for (const child of folder.folders) add(child, inner + child.name)
  }
  add(root, '')
  const text = Buffer.from(`${[key.root, ...folderPaths, ...filePaths].join('\0')}\0`, 'latin1')
  const numbers = new Float64Array([...folders, ...files])
  const bytes = new Uint8Array(HEADER_BYTES + numbers.byteLength + text.length)
  bytes.set(new Uint8Array(numbers.buffer), HEADER_BYTES)
  bytes.set(text, HEADER_BYTES + numbers.byteLength)
  const header = new Uint32Array(bytes.buffer, 0, HEADER_BYTES / 4)
  header.set([MAGIC, key.rules, folderPaths.length, filePaths.length, text.length])
  header[5] = Bun.hash.crc32(bytes.subarray(HEADER_BYTES))
  return bytes
}

/** The index, or undefined when the bytes are not a whole cache for `key`. */
export function decodeIndex(bytes: Uint8Array, key: IndexKey): FlatIndex | undefined {
  if (bytes.length < HEADER_BYTES) return undefined
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes)
  const header = new Uint32Array(aligned.buffer, aligned.byteOffset, HEADER_BYTES / 4)
  const [magic, rules, folders = 0, files = 0, textBytes = 0, checksum] = header
  const numbers = folders * FOLDER_NUMBERS + files * FILE_NUMBERS
  const textStart = HEADER_BYTES + numbers * 8
  if (magic !== MAGIC || rules !== key.rules || folders === 0 || aligned.length !== textStart + textBytes) return undefined
  if (Bun.hash.crc32(aligned.subarray(HEADER_BYTES)) !== checksum) return undefined
  const text = Buffer.from(aligned.buffer, aligned.byteOffset + textStart, textBytes).toString('latin1')
  if (leadsOut(text.slice(key.root.length))) return undefined
  const paths = text.split('\0')
  // The last path is ended by NUL too, and nothing follows.
  if (paths.pop() !== '' || paths.length !== 1 + folders + files || paths[0] !== key.root || paths[1] !== '') return undefined
  const values = new Float64Array(aligned.buffer, aligned.byteOffset + HEADER_BYTES, numbers)
  return new FlatIndex(values, paths, folders, files)
}

/** True when one of the paths is absolute or goes up. */
function leadsOut(text: string): boolean {
  return ['\0/', '\0../', '/../', '/..\0', '\0..\0'].some((part) => text.includes(part))
}

function numbersOf(stamp: Stamp): number[] {
  return [stamp.dev, stamp.ino, stamp.mtimeMs, stamp.ctimeMs, stamp.size]
}
