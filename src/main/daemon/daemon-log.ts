import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { ignore } from '../../lib/ignore.ts'
import { oneLine } from '../../lib/one-line.ts'

/** The log is put aside when it has this many bytes; one older one is kept. */
const ROTATE_BYTES = 5 * 1024 ** 2

/** Lines of text with a time, in a file that does not grow for ever. A log that cannot be written keeps nothing from working. */
export class DaemonLog {
  readonly #path: string
  readonly #now: () => Date
  #fd: number | undefined

  constructor(path: string, now: () => Date) {
    this.#path = path
    this.#now = now
  }

  readonly write = (text: string): void => {
    try {
      this.#fd ??= this.#open()
      writeSync(this.#fd, `${this.#now().toISOString()} ${process.pid} ${oneLine(text)}\n`)
      if (fstatSync(this.#fd).size > ROTATE_BYTES) this.#rotate()
    } catch (error) {
      ignore(error, 'there is nowhere to say that nothing can be said')
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  #open(): number {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 })
    return openSync(this.#path, 'a', 0o600)
  }

  #rotate(): void {
    this.close()
    renameSync(this.#path, `${this.#path}.1`)
  }
}
