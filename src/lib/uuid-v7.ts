import { V7Generator } from 'uuidv7'

/** The most that the 48 bits of a UUIDv7's time hold, in ms since 1970: the year 10889. */
const MAX_TIME_MS = 2 ** 48 - 1

/**
 * A source of UUIDv7 whose answers only ever grow, as text too: within a millisecond a counter orders them, and when the clock
 * goes back, however far, the last time is kept. `now` is in ms since 1970; what does not fit the format is cut to it.
 */
export function createUuidV7(now: () => number): () => string {
  const generator = new V7Generator()
  generator.setRollbackAllowance(MAX_TIME_MS)
  return () => generator.generateOrResetWithTs(Math.min(Math.max(Math.trunc(now()), 0), MAX_TIME_MS)).toString()
}

/** True for a UUID of any version in its usual form, `0198c0de-…`, in lower or upper case. Ours are in lower case. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
}
