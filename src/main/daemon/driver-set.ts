import type { Driver } from '../../drivers/driver.ts'
import { backendName, chooseDriver, createDrivers, type KeepOptions } from '../driver-registry.ts'
import type { Paths } from '../paths.ts'

/** The drivers of a daemon, each made once: they remember what they know of their sandboxes. */
export class DriverSet {
  readonly #paths: Paths
  readonly #keep: KeepOptions
  readonly #made = new Map<string, Promise<Driver>>()

  constructor(paths: Paths, keep: KeepOptions) {
    this.#paths = paths
    this.#keep = keep
  }

  async all(): Promise<Driver[]> {
    const drivers = await createDrivers(this.#paths, this.#keep)
    return Promise.all(drivers.map((driver) => this.#once(driver.name, async () => driver)))
  }

  /** The driver of that name, or the first that works. Errors: `backend_unknown`, `not_available_yet`, `backend_unavailable`. */
  async get(name: string | undefined): Promise<Driver> {
    // A driver may be asked for by several names, and by none.
    const own = await backendName(name)
    return this.#once(own, () => chooseDriver(own, this.#paths, this.#keep))
  }

  #once(name: string, make: () => Promise<Driver>): Promise<Driver> {
    const found = this.#made.get(name)
    if (found !== undefined) return found
    const made = make().catch((error: unknown) => {
      this.#made.delete(name)
      throw error
    })
    this.#made.set(name, made)
    return made
  }
}
