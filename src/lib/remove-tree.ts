import { chmodSync, lstatSync, readdirSync, renameSync, rmdirSync, rmSync, unlinkSync } from 'node:fs'
import { ignore } from './ignore.ts'

/**
 * Removes a folder whatever hostile code made of it: folders nobody may enter, names that are no text, trees deeper than a path
 * can be long. Never follows a symlink. Safe to repeat, also when the folder is gone. Nothing may write to it meanwhile.
 */
export function removeTree(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true })
  } catch (error) {
    ignore(error, 'not ordinary: the thorough way follows, which has its own errors')
    removeThoroughly(Buffer.from(path))
  }
}

/** Every folder is moved to the top before it is emptied, so that no path ever grows. */
function removeThoroughly(top: Buffer): void {
  const prefix = crypto.randomUUID()
  const folders: Buffer[] = []
  let moved = 0
  const empty = (folder: Buffer): void => {
    // Names as bytes: one that is not UTF-8 would become another in a string.
    for (const name of readdirSync(folder, { encoding: 'buffer' })) {
      const from = below(folder, name)
      if (!lstatSync(from).isDirectory()) {
        unlinkSync(from)
        continue
      }
      const to = below(top, Buffer.from(`${prefix}.${moved++}`))
      // Before the move: a folder that gets another parent must be writable itself.
      chmodSync(from, 0o700)
      renameSync(from, to)
      folders.push(to)
    }
  }
  chmodSync(top, 0o700)
  empty(top)
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    empty(folder)
    rmdirSync(folder)
  }
  rmdirSync(top)
}

const below = (folder: Buffer, name: Uint8Array): Buffer => Buffer.concat([folder, Buffer.from('/'), name])
