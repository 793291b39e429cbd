import { describe, expect, test } from 'bun:test'
import type { GroupReader } from './groups.ts'
import { readUsage } from './usage.ts'

const reader =
  (files: Readonly<Record<string, string>>): GroupReader =>
  (controller, file) =>
    files[`${controller}/${file}`]

describe('what a sandbox uses', () => {
  test('is read from the files of version 2', () => {
    const read = reader({
      'memory/memory.current': '50000\n',
      'memory/memory.stat': 'anon 1\ninactive_file 20000\nactive_file 7\n',
      'memory/memory.peak': '90000\n',
      'memory/memory.events': 'low 0\nhigh 0\nmax 5\noom 1\noom_kill 3\noom_group_kill 0\n',
      'memory/cgroup.procs': '10\n11\n12\n',
      'cpu/cpu.stat': 'usage_usec 1234567\nuser_usec 1\n',
    })
    expect(readUsage(read)).toEqual({ memoryBytes: 30_000, memoryPeakBytes: 90_000, oomKills: 3, processes: 2, cpuMs: 1234.567 })
  })

  test('is read from the files of version 1, wherever processor time is counted', () => {
    const files = {
      'memory/memory.usage_in_bytes': '50000\n',
      'memory/memory.stat': 'inactive_file 5\ntotal_inactive_file 20000\n',
      'memory/memory.max_usage_in_bytes': '90000\n',
      'memory/memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 3\n',
      'memory/cgroup.procs': '10\n',
      // Version 1 has a file of this name that counts something else.
      'cpu/cpu.stat': 'nr_periods 0\nnr_throttled 0\nthrottled_time 0\n',
    }
    for (const where of ['cpu/cpuacct.usage', 'cpuacct/cpuacct.usage']) {
      const read = reader({ ...files, [where]: '5500000\n' })
      expect(readUsage(read)).toEqual({ memoryBytes: 30_000, memoryPeakBytes: 90_000, oomKills: 3, processes: 0, cpuMs: 5.5 })
    }
  })

  test('is not known where there is no file, and never less than nothing', () => {
    expect(readUsage(reader({}))).toEqual({})
    expect(readUsage(reader({ 'memory/memory.current': '5', 'memory/memory.stat': 'inactive_file 9' }))).toEqual({ memoryBytes: 0 })
    expect(readUsage(reader({ 'memory/memory.current': 'max' }))).toEqual({})
  })
})
