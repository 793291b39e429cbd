import { createHash } from 'node:crypto'
import { createInflate, inflateSync } from 'node:zlib'
import { applyDelta } from './apply-delta.ts'

/** The commits of a pack. */
export interface PackCommits {
  /** Ids of the parents, by the id of a commit. */
  readonly parents: ReadonlyMap<string, readonly string[]>
  /** False: some commits could not be made out. */
  readonly isWhole: boolean
}

const COMMIT = 1
const OFS_DELTA = 6
const REF_DELTA = 7
/** Larger ones are unpacked piece by piece, so that nothing else waits for them. */
const SMALL_BYTES = 256 * 1024
const MOST_OBJECTS = 500_000
const MOST_UNPACKED_BYTES = 2 * 1024 ** 3
const MOST_COMMIT_BYTES = 64 * 1024
const MOST_KEPT_BYTES = 64 * 1024 ** 2
const TURN_MS = 8
const PIECE_BYTES = 64 * 1024

class BadPack extends Error {}

/**
 * Reads a whole pack, for its commits only. A text: why it cannot be read. Bounded in objects, in what they unpack to and in what is kept;
 * other work gets its turn meanwhile. Never rejects.
 */
export async function readPackCommits(pack: Uint8Array, hash: 'sha1' | 'sha256'): Promise<PackCommits | string> {
  try {
    return await new PackReader(Buffer.from(pack.buffer, pack.byteOffset, pack.length), hash).read()
  } catch (error) {
    return error instanceof BadPack ? `its pack cannot be looked into: ${error.message}` : 'its pack cannot be read'
  }
}

interface Entry {
  readonly type: number
  readonly size: number
  /** Of the first byte of its content. */
  readonly at: number
  /** Where the base of a delta begins, or its id. */
  readonly base?: number | string
}

class PackReader {
  readonly #pack: Buffer
  readonly #hash: 'sha1' | 'sha256'
  /** Commits by where they begin; undefined: what begins there may be one, but is not known. */
  readonly #byOffset = new Map<number, Buffer | undefined>()
  readonly #byId = new Map<string, Buffer>()
  readonly #parents = new Map<string, readonly string[]>()
  #waiting: { readonly offset: number; readonly base: number | string; readonly delta: Buffer }[] = []
  #isWhole = true
  #unpacked = 0
  #kept = 0
  #turnEnds = performance.now() + TURN_MS

  constructor(pack: Buffer, hash: 'sha1' | 'sha256') {
    this.#pack = pack
    this.#hash = hash
  }

  async read(): Promise<PackCommits> {
    const pack = this.#pack
    const version = pack.length < 12 ? 0 : pack.readUInt32BE(4)
    if (pack.toString('latin1', 0, 4) !== 'PACK' || (version !== 2 && version !== 3)) throw new BadPack('it has no head')
    const count = pack.readUInt32BE(8)
    if (count > MOST_OBJECTS) throw new BadPack(`it has more than ${MOST_OBJECTS} objects`)
    let at = 12
    for (let index = 0; index < count; index++) {
      const entry = this.#entryAt(at)
      const end = await this.#object(at, entry)
      at = end
      await this.#turn()
    }
    this.#resolve()
    return { parents: this.#parents, isWhole: this.#isWhole }
  }

  #entryAt(start: number): Entry {
    let at = start
    let byte = this.#byte(at++)
    const type = (byte >> 4) & 7
    let size = byte & 15
    for (let factor = 16; (byte & 0x80) !== 0; factor *= 128) {
      byte = this.#byte(at++)
      size += (byte & 0x7f) * factor
      if (size > MOST_UNPACKED_BYTES) throw new BadPack('an object of it is too large')
    }
    if (type === 0 || type === 5) throw new BadPack('it has objects of an unknown kind')
    if (type === REF_DELTA) {
      const length = this.#hash === 'sha1' ? 20 : 32
      return { type, size, at: at + length, base: this.#pack.toString('hex', at, at + length) }
    }
    if (type !== OFS_DELTA) return { type, size, at }
    byte = this.#byte(at++)
    let back = byte & 0x7f
    while ((byte & 0x80) !== 0) {
      byte = this.#byte(at++)
      back = (back + 1) * 128 + (byte & 0x7f)
      if (back > start) throw new BadPack('a delta of it has no base')
    }
    if (back === 0 || back > start) throw new BadPack('a delta of it has no base')
    return { type, size, at, base: start - back }
  }

  /** Where the next one begins. */
  async #object(offset: number, entry: Entry): Promise<number> {
    const { type, size, base } = entry
    this.#unpacked += size
    if (this.#unpacked > MOST_UNPACKED_BYTES) throw new BadPack('it unpacks to too much')
    const wanted = type === COMMIT || (base !== undefined && this.#mayBeCommit(base))
    if (size > SMALL_BYTES) {
      if (wanted) this.#isWhole = false
      return entry.at + (await skip(this.#pack, entry.at, size))
    }
    const { content, used } = unpack(this.#pack, entry.at, size)
    if (!wanted) return entry.at + used
    this.#kept += size
    if (size > MOST_COMMIT_BYTES || this.#kept > MOST_KEPT_BYTES) {
      this.#isWhole = false
    } else if (base === undefined) this.#commit(offset, content)
    else {
      this.#waiting.push({ offset, base, delta: content })
      this.#byOffset.set(offset, undefined)
    }
    return entry.at + used
  }

  /** Objects that are no commits are not in the map; of a base that is named by its id nothing is known. */
  #mayBeCommit(base: number | string): boolean {
    return typeof base === 'string' || this.#byOffset.has(base)
  }

  #commit(offset: number, content: Buffer): void {
    const id = createHash(this.#hash).update(`commit ${content.length}\0`).update(content).digest('hex')
    this.#byOffset.set(offset, content)
    this.#byId.set(id, content)
    this.#parents.set(id, parentsOf(content))
  }

  /** Deltas of commits: each round makes those whose bases the rounds before have made. */
  #resolve(): void {
    for (let left = -1; this.#waiting.length !== left;) {
      left = this.#waiting.length
      this.#waiting = this.#waiting.filter(({ offset, base, delta }) => {
        const from = typeof base === 'string' ? this.#byId.get(base) : this.#byOffset.get(base)
        if (from === undefined) return true
        const content = this.#kept > MOST_KEPT_BYTES ? undefined : applyDelta(from, delta, MOST_COMMIT_BYTES)
        this.#kept += content?.length ?? 0
        if (content === undefined) this.#isWhole = false
        else this.#commit(offset, content)
        return false
      })
    }
  }

  #byte(at: number): number {
    const byte = this.#pack[at]
    if (byte === undefined) throw new BadPack('it was cut off')
    return byte
  }

  async #turn(): Promise<void> {
    if (performance.now() < this.#turnEnds) return
    await new Promise((resolve) => setImmediate(resolve))
    this.#turnEnds = performance.now() + TURN_MS
  }
}

function parentsOf(content: Buffer): string[] {
  const end = content.indexOf('\n\n')
  const lines = content.toString('latin1', 0, end < 0 ? content.length : end).split('\n')
  const parents: string[] = []
  // `tree` comes first, then every parent, then the rest: a line further down that says `parent` is none.
  for (const line of lines.slice(1)) {
    const match = /^parent ([0-9a-f]{40}|[0-9a-f]{64})$/.exec(line)
    if (match === null) break
    parents.push(match[1]!)
  }
  return lines[0]?.startsWith('tree ') === true ? parents : []
}

function unpack(pack: Buffer, at: number, size: number): { readonly content: Buffer; readonly used: number } {
  try {
    // A size of a packed object is at most so much above that of its content.
    const most = Math.min(pack.length, at + size + (size >> 3) + 1_024)
    const options = { info: true, maxOutputLength: Math.max(1, size) }
    // With `info` it gives the content and the engine, which knows what it has read.
    const { buffer, engine } = inflateSync(pack.subarray(at, most), options) as unknown as Unpacked
    if (buffer.length !== size) throw new BadPack('an object of it is not as long as it says')
    return { content: buffer, used: engine.bytesWritten }
  } catch (error) {
    throw error instanceof BadPack ? error : new BadPack('an object of it cannot be unpacked')
  }
}
interface Unpacked {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}

/** How many bytes an object has in the pack. Its content is thrown away as it comes. */
function skip(pack: Buffer, at: number, size: number): Promise<number> {
  const inflate = createInflate()
  return new Promise((resolve, reject) => {
    let got = 0
    let next = at
    const fail = (why: string): void => {
      inflate.destroy()
      reject(new BadPack(why))
    }
    inflate.on('error', () => fail('an object of it cannot be unpacked'))
    inflate.on('data', (piece: Buffer) => {
      got += piece.length
      if (got > size) fail('an object of it is longer than it says')
    })
    inflate.on('end', () => {
      const used = inflate.bytesWritten
      inflate.close()
      if (got === size) resolve(used)
      else reject(new BadPack('an object of it is not as long as it says'))
    })
    const feed = (): void => {
      const piece = pack.subarray(next, next + PIECE_BYTES)
      if (piece.length === 0) return void inflate.end()
      next += piece.length
      inflate.write(piece, (error) => (error || inflate.destroyed || inflate.readableEnded ? undefined : feed()))
    }
    feed()
  })
}
