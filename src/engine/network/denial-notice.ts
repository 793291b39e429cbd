import type { DenialSummary } from '../../contract/network.ts'

/** Most targets that a notice spells out. */
const MOST_TARGETS = 10

/** What the network refused, a sentence each, for the end of a run. */
export function denialNotices(denials: readonly DenialSummary[]): string[] {
  const lines = denials.slice(0, MOST_TARGETS).map(({ target, count, reason, hint }) => {
    const times = count === 1 ? '' : ` (${count} times)`
    return `network: refused ${target}${times}: ${reason}${hint === undefined ? '' : `; to allow it: ${hint}`}`
  })
  const rest = denials.length - MOST_TARGETS
  if (rest > 0) lines.push(`network: refused ${rest} more targets; --network-log FILE records all of them`)
  return lines
}
