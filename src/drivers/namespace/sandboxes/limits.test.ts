import { describe, expect, test } from 'bun:test'
import { isAppError } from '../../../contract/errors.ts'
import type { CgroupRoots } from '../cgroup.ts'
import { setLimits } from './limits.ts'

const V1: CgroupRoots = { version: 1, memory: '/m', pids: '/p', cpu: '/c' }
const V2: CgroupRoots = { version: 2, memory: '/u', pids: '/u', cpu: '/u' }
const MEMSW = 'memory.memsw.limit_in_bytes'

/** Sets limits of a group with these files; what was written, or the code of the error. */
function set(
  roots: CgroupRoots,
  files: Readonly<Record<string, string>>,
  limits: Parameters<typeof setLimits>[3],
  refuse: Readonly<Record<string, string>> = {},
): readonly string[] | string {
  const written: string[] = []
  try {
    setLimits(
      roots,
      (_, file) => files[file],
      (root, file, value) => {
        if (refuse[file] !== undefined) throw Object.assign(new Error(refuse[file]), { code: refuse[file] })
        written.push(`${root} ${file} ${value}`)
      },
      limits,
    )
    return written
  } catch (error) {
    if (isAppError(error)) return error.code
    throw error
  }
}

const LIMITS = { memoryBytes: 1000, cpus: 1.5, pids: 7 }

describe('limits of a sandbox that runs', () => {
  test('are written to version 2', () => {
    expect(set(V2, {}, LIMITS)).toEqual(['/u memory.max 1000', '/u pids.max 7', '/u cpu.max 150000 100000'])
    expect(set(V2, {}, { ...LIMITS, cpus: undefined })).toContain('/u cpu.max max 100000')
  })

  test('are written to version 1 so that memory is never more than memory and swap', () => {
    const now = { 'memory.limit_in_bytes': '500', [MEMSW]: '500' }
    expect(set(V1, now, LIMITS)).toEqual([
      `/m ${MEMSW} 1000`,
      '/m memory.limit_in_bytes 1000',
      '/p pids.max 7',
      '/c cpu.cfs_period_us 100000',
      '/c cpu.cfs_quota_us 150000',
    ])
    const less = set(V1, { 'memory.limit_in_bytes': '5000', [MEMSW]: '5000' }, LIMITS)
    expect(less.slice(0, 2)).toEqual(['/m memory.limit_in_bytes 1000', `/m ${MEMSW} 1000`])
    expect(set(V1, { 'memory.limit_in_bytes': '500' }, { ...LIMITS, cpus: undefined })).toEqual([
      '/m memory.limit_in_bytes 1000',
      '/p pids.max 7',
      '/c cpu.cfs_period_us 100000',
      '/c cpu.cfs_quota_us -1',
    ])
  })

  test('leave the sandbox its memory: less than is in use is refused, and then nothing is changed', () => {
    expect(set(V2, { 'memory.current': '5000', 'memory.stat': 'inactive_file 10' }, LIMITS)).toBe('invalid_argument')
    expect(set(V2, { 'memory.current': '5000', 'memory.stat': 'inactive_file 4500' }, LIMITS)).toHaveLength(3)
    expect(set(V1, { 'memory.limit_in_bytes': '5000' }, LIMITS, { 'memory.limit_in_bytes': 'EBUSY' })).toBe('invalid_argument')
  })

  test('on processors are refused where users may not set them, unless none was asked for', () => {
    for (const code of ['EACCES', 'ENOENT']) {
      expect(set(V2, {}, LIMITS, { 'cpu.max': code })).toBe('not_available_yet')
      expect(set(V2, {}, { ...LIMITS, cpus: undefined }, { 'cpu.max': code })).toHaveLength(2)
    }
    expect(() => set(V2, {}, LIMITS, { 'cpu.max': 'EIO' })).toThrow('EIO')
  })

  test('are set for what is there', () => {
    expect(set({ version: 1, pids: '/p' }, {}, LIMITS)).toEqual(['/p pids.max 7'])
  })
})
