/** `12,345`. */
export const count = (value: number): string => value.toLocaleString('en-US')

/** `$1.25`; with more digits where there is less. */
export const dollars = (value: number): string => (value === 0 || value >= 1 ? `$${value.toFixed(2)}` : `$${value.toFixed(4)}`)
