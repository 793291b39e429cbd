const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const

/** `2d 3h`, `45m`, `3s`: the two largest units, of a length in seconds. */
export function roughly(seconds: number): string {
  let rest = Math.max(0, Math.round(seconds))
  const parts: string[] = []
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) parts.push(`${count}${unit}`)
    else if (parts.length > 0) break
    if (parts.length === 2) break
  }
  return parts.length === 0 ? '0s' : parts.join(' ')
}

/** `2026-11-22 18:00:03 UTC (3m ago)` or `(in 3m)`; what is no time stays as it is. Not yet safe to print. */
export function moment(time: string, now: Date): string {
  const at = Date.parse(time)
  if (Number.isNaN(at)) return time
  const away = (at - now.getTime()) / 1000
  const shown = `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`
  return `${shown} (${away > 0 ? `in ${roughly(away)}` : `${roughly(-away)} ago`})`
}
