import { readFileSync } from 'node:fs'
import { ignore } from './ignore.ts'

/** Index of `starttime` (field 22) among the fields after the command name, which is field 2. */
const START_TIME_INDEX = 22 - 3

/**
 * When the process started, in clock ticks since boot as the kernel prints it; undefined when there is no such process, or no
 * `/proc`. With `bootId` it names one process for ever, which a pid alone does not: pids are reused.
 */
export function startTimeOf(pid: number): string | undefined {
  const stat = readProc(`/proc/${pid}/stat`)
  return stat === undefined ? undefined : parseStartTime(stat)
}

/**
 * True when `pid` is still the process that started at `startTime` (from `startTimeOf`, same boot). A process that ended but was not
 * waited for by its parent still counts.
 */
export function isSameProcess(pid: number, startTime: string): boolean {
  return startTimeOf(pid) === startTime
}

/** The same, of a process that still runs: one that only waits for its parent to take note of its end does not. */
export function isRunningProcess(pid: number, startTime: string): boolean {
  const stat = readProc(`/proc/${pid}/stat`)
  return stat !== undefined && parseStartTime(stat) === startTime && !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
}

/** The random id of this boot of the kernel; undefined where there is no `/proc`. */
export function bootId(): string | undefined {
  return readProc('/proc/sys/kernel/random/boot_id')?.trim()
}

/** The start time in the text of `/proc/PID/stat`. The command name may hold spaces and parentheses, so the last `)` ends it. */
export function parseStartTime(stat: string): string | undefined {
  const end = stat.lastIndexOf(')')
  const field = end === -1 ? undefined : stat.slice(end + 2).split(' ')[START_TIME_INDEX]
  return field !== undefined && /^\d+$/.test(field) ? field : undefined
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    ignore(error, 'the process is gone, or this system has no /proc: both mean there is nothing to report')
    return undefined
  }
}
