import type { SandboxUsage } from '../../driver.ts'
import type { GroupReader } from './groups.ts'

/** What a sandbox uses now, from the files of its groups; version 1 and 2 have their own names for everything. */
export function readUsage(read: GroupReader): SandboxUsage {
  const memory = numberIn(read('memory', 'memory.current') ?? read('memory', 'memory.usage_in_bytes'))
  const cached = inactiveFile(read('memory', 'memory.stat'))
  const cpuMs = cpuTime(read)
  const processes = countLines(read('memory', 'cgroup.procs'))
  return {
    // Files that were read once and can be dropped at any time are nobody's need.
    ...given('memoryBytes', memory === undefined ? undefined : Math.max(0, memory - cached)),
    ...given('memoryPeakBytes', numberIn(read('memory', 'memory.peak') ?? read('memory', 'memory.max_usage_in_bytes'))),
    ...given('cpuMs', cpuMs),
    // Without the process of ours that holds the sandbox's walls.
    ...given('processes', processes === undefined ? undefined : Math.max(0, processes - 1)),
    ...given('oomKills', fieldOf(read('memory', 'memory.events') ?? read('memory', 'memory.oom_control'), 'oom_kill')),
  }
}

function cpuTime(read: GroupReader): number | undefined {
  const us = fieldOf(read('cpu', 'cpu.stat'), 'usage_usec')
  if (us !== undefined) return us / 1000
  const ns = numberIn(read('cpuacct', 'cpuacct.usage') ?? read('cpu', 'cpuacct.usage'))
  return ns === undefined ? undefined : ns / 1_000_000
}

/** Bytes of files in memory that nobody used lately; below the group's own line, version 1 has one for all groups below. */
export const inactiveFile = (stat: string | undefined): number =>
  fieldOf(stat, 'total_inactive_file') ?? fieldOf(stat, 'inactive_file') ?? 0

function numberIn(text: string | undefined): number | undefined {
  const value = text === undefined ? Number.NaN : Number.parseInt(text, 10)
  return Number.isNaN(value) ? undefined : value
}

function fieldOf(text: string | undefined, name: string): number | undefined {
  const found = text === undefined ? null : new RegExp(`^${name} (\\d+)$`, 'm').exec(text)
  return found === null ? undefined : Number(found[1])
}

function countLines(text: string | undefined): number | undefined {
  return text === undefined ? undefined : text.split('\n').filter((line) => line !== '').length
}

const given = <K extends string>(key: K, value: number | undefined): Partial<Record<K, number>> =>
  value === undefined ? {} : ({ [key]: value } as Partial<Record<K, number>>)
