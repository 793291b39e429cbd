const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 }

/**
 * Parses a size such as `512`, `64k`, `512m`, `1.5g`, `512MB`, `2GiB` (all powers of 1024, as container tools read them).
 * A bare number is in bytes. Returns undefined for anything else, negative and zero included.
 */
export function parseByteSize(text: string): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim())
  if (match === null) return undefined
  const bytes = Math.floor(Number(match[1]) * UNITS[match[2]!.toLowerCase()]!)
  return bytes > 0 && Number.isSafeInteger(bytes) ? bytes : undefined
}

/** `1536` → `1.5 KiB`; with at most one decimal, in the largest unit that leaves at least one whole after rounding. */
export function formatByteSize(bytes: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (Number(value.toFixed(1)) >= 1024 && unit < names.length - 1) {
    value /= 1024
    unit++
  }
  return `${Number(value.toFixed(1))} ${names[unit]}`
}
