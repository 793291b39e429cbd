const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Parses `90`, `45s`, `30m`, `2h`, `7d`, `500ms` into milliseconds; a bare number is seconds, `0` is zero.
 * Returns undefined for anything else.
 */
export function parseDurationMs(text: string): number | undefined {
  const match = /^(\d{1,12})(ms|s|m|h|d)?$/.exec(text.trim())
  if (match === null) return undefined
  const ms = Number(match[1]) * UNIT_MS[match[2] ?? 's']!
  return Number.isSafeInteger(ms) ? ms : undefined
}
