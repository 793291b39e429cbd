import { AppError } from '../contract/errors.ts'
import type { RunIo } from '../contract/run.ts'
import type { Driver, PreparedRun, RunPlace } from '../drivers/driver.ts'
import { Recovery } from './recovery.ts'

/** A run whose driver is at work, before it is known what will run. It must go to `run`, or be discarded. */
export interface BegunRun {
  readonly driver: Driver
  readonly id: string
  readonly prepared: PreparedRun
  readonly recovery: Recovery
}

/**
 * Begins a run, so that the driver works on what every sandbox has while the engine loads and decides. Apart from the rest
 * of the engine, because it must be there first. Errors: `backend_unavailable`.
 */
export function beginRun(driver: Driver, place: RunPlace, io: RunIo, signal: AbortSignal): BegunRun {
  const recovery = new Recovery(driver, signal)
  return { driver, id: place.id, prepared: prepare(driver, recovery.during(io), place), recovery }
}

/** Begins with a driver that can, and stands in for one that cannot. */
function prepare(driver: Driver, io: RunIo, place: RunPlace): PreparedRun {
  const { runOnce } = driver
  if (driver.prepareRun !== undefined) return driver.prepareRun(io, place)
  if (runOnce !== undefined) return { run: (spec, signal) => runOnce(spec, io, signal), discard: async () => undefined }
  throw new AppError('backend_unavailable', `backend "${driver.name}" cannot run single commands`)
}
