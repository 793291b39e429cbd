import type { BytePath } from './byte-path.ts'
import { FILE_STATES } from './scan-index.ts'
import type { FolderNode, Stamp, WatchedFile } from './scan-index.ts'

/**
 * The scan cache's layout, little-endian, made to be read without parsing:
 *
 *     header   8 × uint32: magic, rules, folders, files, bytes of text, CRC-32 of what follows, 0, 0
 *     folders  9 × float64 each, parents before children: dev, ino, mtime, ctime, size, entries, files, folders, 0
 *     files    6 × float64 each, in the order of their folders: dev, ino, mtime, ctime, size, state
 *     text     names, each ended by NUL: the project's path, then for each folder its own name and those of its files
 */
const MAGIC = 0x314b5341
const HEADER_BYTES = 32
const FOLDER_NUMBERS = 9
const FILE_NUMBERS = 6
/** Deeper than any scan goes. */
const MAX_DEPTH = 1_000

/** What a cache must have been made for. */
export interface IndexKey {
  readonly root: BytePath
  /** Fingerprint of the rules. */
  readonly rules: number
}

export function encodeIndex(root: FolderNode, key: IndexKey): Uint8Array {
  const folders: number[] = []
  const files: number[] = []
  const names: string[] = [key.root]
  const add = (folder: FolderNode): void => {
    folders.push(...numbersOf(folder.stamp), folder.entries, folder.files.length, folder.folders.length, 0)
    names.push(folder.name)
    for (const file of folder.files) {
      files.push(...numbersOf(file.stamp), FILE_STATES.indexOf(file.state))
      names.push(file.name)
    }
    for (const child of folder.folders) add(child)
  }
  add(root)
  const text = Buffer.from(`${names.join('\0')}\0`, 'latin1')
  const numbers = new Float64Array([...folders, ...files])
  const bytes = new Uint8Array(HEADER_BYTES + numbers.byteLength + text.length)
  bytes.set(new Uint8Array(numbers.buffer), HEADER_BYTES)
  bytes.set(text, HEADER_BYTES + numbers.byteLength)
  const header = new Uint32Array(bytes.buffer, 0, HEADER_BYTES / 4)
  header.set([MAGIC, key.rules, folders.length / FOLDER_NUMBERS, files.length / FILE_NUMBERS, text.length])
  header[5] = Bun.hash.crc32(bytes.subarray(HEADER_BYTES))
  return bytes
}

/** The tree, or undefined when the bytes are not a whole cache for `key`. */
export function decodeIndex(bytes: Uint8Array, key: IndexKey): FolderNode | undefined {
  if (bytes.length < HEADER_BYTES) return undefined
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes)
  const [magic, rules, folders, files, textBytes, checksum] = new Uint32Array(aligned.buffer, aligned.byteOffset, HEADER_BYTES / 4)
  const numbers = folders! * FOLDER_NUMBERS + files! * FILE_NUMBERS
  const textStart = HEADER_BYTES + numbers * 8
  if (magic !== MAGIC || rules !== key.rules || aligned.length !== textStart + textBytes!) return undefined
  if (Bun.hash.crc32(aligned.subarray(HEADER_BYTES)) !== checksum) return undefined
  const text = Buffer.from(aligned.buffer, aligned.byteOffset + textStart, textBytes).toString('latin1')
  const names = text.split('\0')
  if (names.length !== folders! + files! + 2 || names[0] !== key.root) return undefined
  const values = new Float64Array(aligned.buffer, aligned.byteOffset + HEADER_BYTES, numbers)
  return new TreeReader(values, names, folders!).read(0)
}

/** Reads the three sections side by side. Returns undefined where the numbers do not fit together. */
class TreeReader {
  readonly #values: Float64Array
  readonly #names: readonly string[]
  readonly #folders: number
  #folder = 0
  #file = 0
  #name = 1

  constructor(values: Float64Array, names: readonly string[], folders: number) {
    this.#values = values
    this.#names = names
    this.#folders = folders
  }

  read(depth: number): FolderNode | undefined {
    if (this.#folder >= this.#folders || depth > MAX_DEPTH) return undefined
    const at = this.#folder++ * FOLDER_NUMBERS
    const values = this.#values
    const name = this.#names[this.#name++]!
    const files: WatchedFile[] = []
    for (let count = values[at + 6]!; count > 0; count--) {
      const file = this.#readFile()
      if (file === undefined) return undefined
      files.push(file)
    }
    const folders: FolderNode[] = []
    for (let count = values[at + 7]!; count > 0; count--) {
      const child = this.read(depth + 1)
      if (child === undefined || !isPlainName(child.name)) return undefined
      folders.push(child)
    }
    return { name, stamp: stampAt(values, at), entries: values[at + 5]!, files, folders }
  }

  #readFile(): WatchedFile | undefined {
    const at = this.#folders * FOLDER_NUMBERS + this.#file++ * FILE_NUMBERS
    const state = FILE_STATES[this.#values[at + 5] ?? -1]
    const name = this.#names[this.#name++]
    if (state === undefined || name === undefined || !isPlainName(name)) return undefined
    return { name, state, stamp: stampAt(this.#values, at) }
  }
}

function isPlainName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !name.includes('/')
}

function numbersOf(stamp: Stamp): number[] {
  return [stamp.dev, stamp.ino, stamp.mtimeMs, stamp.ctimeMs, stamp.size]
}

function stampAt(values: Float64Array, at: number): Stamp {
  return { dev: values[at]!, ino: values[at + 1]!, mtimeMs: values[at + 2]!, ctimeMs: values[at + 3]!, size: values[at + 4]! }
}
