import { readFileSync } from 'node:fs'
import { ignore } from '../../lib/ignore.ts'
import { bootId, parseStartTime } from '../../lib/process-identity.ts'

/** One process for ever: a number alone is used again, and start times begin anew with each boot. */
export interface ProcessIdentity {
  readonly pid: number
  readonly start_time: string
  readonly boot_id: string
}

/** The identity of a process that runs; undefined when it does not. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const stat = statOf(pid)
  const startTime = stat === undefined ? undefined : parseStartTime(stat)
  const boot = bootId()
  return startTime === undefined || boot === undefined ? undefined : { pid, start_time: startTime, boot_id: boot }
}

/** True when that very process still runs. One that has ended counts as gone, also when nobody has waited for it yet. */
export function isAlive({ pid, start_time, boot_id }: ProcessIdentity): boolean {
  const stat = statOf(pid)
  if (stat === undefined || parseStartTime(stat) !== start_time || bootId() !== boot_id) return false
  // The state is behind the name, which may hold anything.
  return !'ZXx'.includes(stat.charAt(stat.lastIndexOf(')') + 2))
}

function statOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch (error) {
    ignore(error, 'no such process')
    return undefined
  }
}
