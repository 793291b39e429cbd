import type { Operations } from '../../contract/operations.ts'
import type { RunRequest, RunResult, TerminalControl } from '../../contract/run.ts'
import { terminalDevice } from '../../lib/terminal-device.ts'
import { writeFully } from './copy.ts'
import { forwardSignals } from './forward-signals.ts'

/** How long a command may go on after its user's terminal was closed, in ms. Nobody can see or reach it any more. */
const AFTER_HANGUP_MS = 2_000

/**
 * Runs a command on a private terminal and copies bytes between it and the user's, which is raw meanwhile: Ctrl-C and
 * Ctrl-Z are bytes that the private terminal turns into signals. The user's terminal is restored on every way out.
 */
export async function runOnTerminal(operations: Operations, request: RunRequest, onNotice: (text: string) => void): Promise<RunResult> {
  const screen = new UserTerminal()
  const abort = new AbortController()
  const giveUp = (): void => abort.abort()
  const signals = forwardSignals(giveUp, (signal) => {
    if (signal === 'SIGHUP') setTimeout(giveUp, AFTER_HANGUP_MS).unref()
  })
  const notices: string[] = []
  try {
    return await operations.run(
      request,
      {
        stdin: 0,
        stdout: 1,
        stderr: 2,
        terminal: { ...screen.size(), onOutput: (bytes) => void writeFully(1, bytes), onReady: (terminal) => screen.attach(terminal) },
        onSignalable: signals.connect,
        onStopped: (resume) => screen.suspend(resume),
        // A line in the middle of a full-screen program would spoil it.
        onNotice: (text) => (screen.raw ? notices.push(text) : onNotice(text)),
      },
      abort.signal,
    )
  } finally {
    signals.stop()
    screen.detach()
    notices.forEach((text) => onNotice(text))
  }
}

/** The terminal the user sits at. */
class UserTerminal {
  readonly #device = terminalDevice(0)
  /** Undoes the raw mode; undefined while the terminal is as the user had it. */
  #restore: (() => void) | undefined
  #terminal: TerminalControl | undefined
  readonly #onInput = (bytes: Buffer): void => this.#terminal?.write(bytes)
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

  attach(terminal: TerminalControl): void {
    this.#terminal = terminal
    process.on('exit', this.#onExit)
    process.on('SIGWINCH', this.#onResize)
    this.#setRaw(true)
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
