import { type FileHandle, open } from 'node:fs/promises'
import type { NetworkEvent } from '../contract/network.ts'

/** Lines that wait for a slow disk; what comes on top is not written, and counted. */
const MOST_WAITING_BYTES = 4 * 1024 * 1024
/** What one run may add: a program that is denied in a loop must not fill the disk. */
const MOST_FILE_BYTES = 512 * 1024 * 1024
const OWNER_ONLY = 0o600

export interface NetworkLogOptions {
  readonly path: string
  /** Told once, when a line could not be written. */
  readonly onProblem: (message: string) => void
  /** @default 512 MiB */
  readonly mostBytes?: number
}

/** Events as lines of JSON at the end of a file. Never holds up who adds one. */
export class NetworkLog {
  readonly #options: NetworkLogOptions
  #file: Promise<FileHandle> | undefined
  #lines: string[] = []
  #bytes = 0
  #added = 0
  #writing: Promise<void> | undefined
  #told = false
  #isBroken = false

  constructor(options: NetworkLogOptions) {
    this.#options = options
  }

  /** Makes the file, so that a path that cannot be written is known before anything happens. Rejects with what the system said. */
  async open(): Promise<void> {
    await this.#open()
  }

  add(event: NetworkEvent): void {
    if (this.#isBroken) return
    const line = `${JSON.stringify(event)}\n`
    if (this.#bytes + line.length > MOST_WAITING_BYTES) return this.#problem('the disk is too slow for it: lines are missing')
    this.#added += line.length
    if (this.#added > (this.#options.mostBytes ?? MOST_FILE_BYTES)) return this.#problem('it is too long: lines are missing')
    this.#lines.push(line)
    this.#bytes += line.length
    this.#writing ??= this.#write()
  }

  /** Writes what waits, and closes. Never rejects. */
  async close(): Promise<void> {
    await this.#writing
    this.#isBroken = true
    try {
      await (await this.#file)?.close()
    } catch (error) {
      this.#problem(String(error))
    }
  }

  async #write(): Promise<void> {
    try {
      const file = await this.#open()
      while (this.#lines.length > 0) {
        const text = this.#lines.join('')
        this.#lines = []
        this.#bytes = 0
        await file.appendFile(text)
      }
    } catch (error) {
      this.#isBroken = true
      this.#lines = []
      this.#problem(error instanceof Error ? error.message : String(error))
    } finally {
      this.#writing = undefined
    }
  }

  #open(): Promise<FileHandle> {
    return (this.#file ??= open(this.#options.path, 'a', OWNER_ONLY))
  }

  #problem(message: string): void {
    if (this.#told) return
    this.#told = true
    this.#options.onProblem(`the network log ${this.#options.path} is not complete: ${message}`)
  }
}
