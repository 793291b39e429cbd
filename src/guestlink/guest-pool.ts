import { AppError } from '../contract/errors.ts'
import { ignore } from '../lib/ignore.ts'
import { canceled } from './errors.ts'
import { Guest } from './guest.ts'

interface Entry {
  readonly guest: Promise<Guest>
  isDropped: boolean
}

/**
 * One connection for each sandbox, made when it is first asked for, shared by all, and made anew after a loss. Sockets that nobody asks
 * for cost nothing.
 */
export class GuestPool {
  readonly #options: { readonly role: 'daemon' | 'client'; readonly version: string }
  readonly #entries = new Map<string, Entry>()
  readonly #listeners = new Map<string, (reason: AppError) => void>()
  #isClosed = false

  constructor(options: { readonly role: 'daemon' | 'client'; readonly version: string }) {
    this.#options = options
  }

  /**
   * The sandbox that is reached at `socketPath`. Aborting `signal` ends the caller's wait, not that of others. Errors: `sandbox_lost`,
   * `timed_out`, `canceled`, `shutting_down`.
   */
  async get(socketPath: string, signal?: AbortSignal): Promise<Guest> {
    if (this.#isClosed) throw shuttingDown()
    const entry = this.#entries.get(socketPath) ?? this.#connect(socketPath)
    return await unlessAborted(entry.guest, signal)
  }

  /**
   * `listener` hears of every connection to `socketPath` that is lost, as opposed to dropped: its sandbox has ended, most likely. One
   * listener for each path; `drop` removes it.
   */
  onLost(socketPath: string, listener: (reason: AppError) => void): void {
    this.#listeners.set(socketPath, listener)
  }

  /** Leaves a sandbox; what is going on in its connection fails with `reason`. Safe to repeat; never rejects. */
  async drop(socketPath: string, reason?: AppError): Promise<void> {
    this.#listeners.delete(socketPath)
    const entry = this.#entries.get(socketPath)
    if (entry === undefined) return
    this.#entries.delete(socketPath)
    entry.isDropped = true
    await leave(entry.guest, reason)
  }

  /** Leaves all of them, for good; what is going on fails with `shutting_down`. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#entries.keys()].map((socketPath) => this.drop(socketPath, shuttingDown())))
  }

  #connect(socketPath: string): Entry {
    const entry: Entry = { guest: Guest.connect(socketPath, this.#options), isDropped: false }
    this.#entries.set(socketPath, entry)
    const remove = () => {
      if (this.#entries.get(socketPath) === entry) this.#entries.delete(socketPath)
    }
    const followed = entry.guest.then(async (guest) => {
      const { how, error } = await guest.closed
      remove()
      if (how === 'lost' && !entry.isDropped) this.#listeners.get(socketPath)?.(error)
    })
    followed.catch((error: unknown) => {
      ignore(error, 'whoever asked for it is told')
      remove()
    })
    return entry
  }
}

async function leave(connecting: Promise<Guest>, reason: AppError | undefined): Promise<void> {
  try {
    const guest = await connecting
    await guest.connection.bye(reason)
  } catch (error) {
    ignore(error, 'there is no connection to leave')
  }
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise
  if (signal.aborted) throw canceled()
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(canceled())
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

const shuttingDown = (): AppError => new AppError('shutting_down', 'this program is about to end')
