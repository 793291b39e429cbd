import { AppError } from '../../../contract/errors.ts'
import { formatByteSize } from '../../../lib/byte-size.ts'
import { isErrno } from '../../../lib/errno.ts'
import { ignore } from '../../../lib/ignore.ts'
import type { ResourceLimits } from '../../driver.ts'
import { CPU_PERIOD_US, type CgroupRoots, cpuQuotaUs } from '../cgroup.ts'
import type { GroupReader } from './groups.ts'
import { readUsage } from './usage.ts'

type Write = (root: string, file: string, value: string) => void

/**
 * Changes the limits of groups in use. Memory first: it is the only one that can be refused, and then nothing has changed.
 * Errors: `invalid_argument` (more memory is in use), `not_available_yet` (processors, where the system does not let us).
 */
export function setLimits(roots: CgroupRoots, read: GroupReader, write: Write, { memoryBytes, cpus, pids }: ResourceLimits): void {
  setMemory(roots, read, write, memoryBytes)
  if (roots.pids !== undefined) write(roots.pids, 'pids.max', `${pids}`)
  if (roots.cpu !== undefined) setCpus(roots.version, roots.cpu, write, cpus)
}

function setMemory({ version, memory: root }: CgroupRoots, read: GroupReader, write: Write, bytes: number): void {
  if (root === undefined) return
  const used = readUsage(read).memoryBytes ?? 0
  // The kernel would make room by killing.
  if (used > bytes) throw inUse(used, bytes)
  try {
    if (version === 2) return write(root, 'memory.max', `${bytes}`)
    // Memory is never more than memory and swap together, so what grows last is what is smaller.
    const files = ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes']
    const grows = bytes > Number(read('memory', 'memory.limit_in_bytes') ?? 0)
    for (const file of grows ? files.toReversed() : files) {
      if (read('memory', file) !== undefined) write(root, file, `${bytes}`)
    }
  } catch (error) {
    if (isErrno(error, 'EBUSY')) throw inUse(used, bytes)
    throw error
  }
}

function inUse(used: number, bytes: number): AppError {
  return new AppError('invalid_argument', `the sandbox uses ${formatByteSize(used)}, which is more than ${formatByteSize(bytes)}`, {
    fix: 'End something in it first, or choose more.',
  })
}

function setCpus(version: 1 | 2, root: string, write: Write, cpus: number | undefined): void {
  try {
    if (version === 2) {
      write(root, 'cpu.max', `${cpus === undefined ? 'max' : cpuQuotaUs(cpus)} ${CPU_PERIOD_US}`)
      return
    }
    write(root, 'cpu.cfs_period_us', `${CPU_PERIOD_US}`)
    write(root, 'cpu.cfs_quota_us', `${cpus === undefined ? -1 : cpuQuotaUs(cpus)}`)
  } catch (error) {
    if (!isErrno(error, 'EACCES', 'EPERM', 'ENOENT')) throw error
    if (cpus !== undefined) throw new AppError('not_available_yet', 'this system does not let users limit processors', { cause: error })
    ignore(error, 'there is no limit, and none was asked for')
  }
}
