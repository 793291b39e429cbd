/** What a store keeps at most, and for how long. */
export const MAX_EVENTS = 10_000
export const MAX_DEAD_LETTERS = 1_000
export const MAX_REPLIES = 100_000
export const REPLY_LIFE_MS = 86_400_000

/** A caller's limit as a whole number from 0 to `most`. SQLite would read a negative one as none. */
export function atMost(limit: number, most: number): number {
  return Number.isNaN(limit) ? 0 : Math.floor(Math.min(Math.max(limit, 0), most))
}
