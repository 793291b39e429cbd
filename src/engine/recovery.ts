import type { RunIo } from '../contract/run.ts'
import type { Driver } from '../drivers/driver.ts'
import { ignore } from '../lib/ignore.ts'

/** Removes what crashed runs left, and does other work that can wait, while a command of ours works: so it costs no time. */
export class Recovery {
  readonly #driver: Driver
  readonly #signal: AbortSignal
  #running: Promise<unknown> = Promise.resolve()
  #alongside: (() => void) | undefined

  constructor(driver: Driver, signal: AbortSignal) {
    this.#driver = driver
    this.#signal = signal
  }

  /** The same streams, with the recovery begun when the command is on its way. */
  during(io: RunIo): RunIo {
    return {
      ...io,
      onStarted: () => {
        io.onStarted?.()
        this.#alongside?.()
        this.#running = this.#driver.recover(this.#signal).catch((error: unknown) => ignore(error, 'the next run tries again'))
      },
    }
  }

  /** Adds work to be done when the command is on its way; it must not throw. */
  alongside(work: () => void): void {
    this.#alongside = work
  }

  async done(): Promise<void> {
    await this.#running
  }
}
