/** What a list of measurements says, in the unit of the measurements. */
export interface Summary {
  readonly count: number
  readonly min: number
  readonly p50: number
  readonly p95: number
}

/**
 * The value below which `fraction` (0 to 1) of the values lie, between two neighbours in proportion, as spreadsheets and
 * NumPy do by default. Throws a RangeError for an empty list or another fraction.
 */
export function percentile(values: readonly number[], fraction: number): number {
  if (values.length === 0 || !(fraction >= 0 && fraction <= 1)) throw new RangeError(`no percentile ${fraction} of ${values.length} values`)
  const sorted = values.toSorted((a, b) => a - b)
  const place = (sorted.length - 1) * fraction
  const below = sorted[Math.floor(place)]!
  const above = sorted[Math.ceil(place)]!
  return below + (above - below) * (place - Math.floor(place))
}

/** Throws a RangeError for an empty list. */
export function summarize(values: readonly number[]): Summary {
  return { count: values.length, min: percentile(values, 0), p50: percentile(values, 0.5), p95: percentile(values, 0.95) }
}

/** The order of one interleaved run: A B C A B C …, so that a machine that slows down slows all alike. */
export function* interleave<T>(items: readonly T[], rounds: number): Generator<T> {
  for (let round = 0; round < rounds; round++) yield* items
}
