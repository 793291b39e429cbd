import { parseDurationMs } from './duration.ts'

/** A hundred years, in seconds: a later end does not fit the date formats that others use. */
export const LONGEST_TTL_SECONDS = 100 * 366 * 86_400

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const

/**
 * Parses a time to live, `45s`, `30m`, `3h`, `2d`, into seconds; a bare number is seconds, `0` of any unit is none.
 * Undefined for anything else, more than `LONGEST_TTL_SECONDS` included.
 */
export function parseTtlSeconds(text: string): number | undefined {
  // The one unit of a duration that is finer than a time to live.
  if (text.trim().endsWith('ms')) return undefined
  const ms = parseDurationMs(text)
  return ms === undefined || ms > LONGEST_TTL_SECONDS * 1000 ? undefined : ms / 1000
}

/** `7200` → `2h`: the largest unit that divides it; `no expiry` for 0. Takes a whole number of seconds. */
export function formatTtl(seconds: number): string {
  if (seconds === 0) return 'no expiry'
  const [unit, size] = UNITS.find(([, each]) => seconds % each === 0) ?? ['s', 1]
  return `${seconds / size}${unit}`
}
