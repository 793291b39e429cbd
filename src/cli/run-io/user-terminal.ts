import { ignore } from '../../lib/ignore.ts'
import { terminalDevice } from '../../lib/terminal-device.ts'

/** The terminal that a command has, wherever it runs. */
export interface CommandTerminal {
  /** A promise holds the user's input back until it settles. It never rejects. */
  readonly write: (bytes: Uint8Array) => Promise<void> | void
  readonly resize: (cols: number, rows: number) => void
}

/** The terminal the user sits at. */
export class UserTerminal {
  readonly #device = terminalDevice(0)
  /** Undoes the raw mode; undefined while the terminal is as the user had it. */
  #restore: (() => void) | undefined
  #terminal: CommandTerminal | undefined
  readonly #onInput = (bytes: Buffer): void => {
    const written = this.#terminal?.write(bytes)
    if (written === undefined) return
    // What is pasted faster than it is taken waits in the user's terminal.
    process.stdin.pause()
    void written.finally(() => {
      if (this.#terminal !== undefined) process.stdin.resume()
    })
  }
  readonly #onInputError = (error: Error): void => ignore(error, 'the terminal is gone, or no longer ours: nothing more is typed')
  readonly #onResize = (): void => {
    const { cols, rows } = this.size()
    this.#terminal?.resize(cols, rows)
  }
  readonly #onExit = (): void => this.#setRaw(false)

  get raw(): boolean {
    return this.#restore !== undefined
  }

  size(): { cols: number; rows: number } {
    return { cols: process.stdout.columns || 80, rows: process.stdout.rows || 24 }
  }

  attach(terminal: CommandTerminal): void {
    this.#terminal = terminal
    process.on('exit', this.#onExit)
    process.on('SIGWINCH', this.#onResize)
    this.#setRaw(true)
    // A read of a terminal that is being closed fails, once in many times (EIO); so does one in a job that lost its shell. It
    // is not the end of the command: that is SIGHUP's to say. Stays for good, because an error may come late.
    process.stdin.on('error', this.#onInputError)
    process.stdin.on('data', this.#onInput)
  }

  /** Ctrl-Z of the command itself: we stop like any job, and go on with it when the shell says so. */
  suspend(resume: () => void): void {
    this.#setRaw(false)
    process.once('SIGCONT', () => {
      this.#setRaw(true)
      this.#onResize()
      resume()
    })
    // All of our job stops, as with any program, so that a script around us does not leave its shell waiting. We stop
    // for sure: the gentler signal does nothing to a job whose shell is gone.
    process.once('SIGTSTP', () => undefined)
    process.kill(0, 'SIGTSTP')
    process.kill(process.pid, 'SIGSTOP')
  }

  detach(): void {
    this.#terminal = undefined
    process.off('exit', this.#onExit)
    process.off('SIGWINCH', this.#onResize)
    process.stdin.off('data', this.#onInput)
    process.stdin.pause()
    this.#setRaw(false)
  }

  #setRaw(raw: boolean): void {
    if (this.raw === raw) return
    this.#restore?.()
    this.#restore = raw ? this.#device.makeRaw() : undefined
  }
}
