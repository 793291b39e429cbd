import { dlopen, FFIType } from 'bun:ffi'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { findCgroupRoots } from '../src/drivers/namespace/cgroup.ts'
import { isErrno } from '../src/lib/errno.ts'
import { isSameProcess } from '../src/lib/process-identity.ts'
import type { World } from './world.ts'

/** What a run may not leave behind. */
export interface Counts {
  /** Processes below this one, orphans included once `adoptOrphans` was called; the dead that nobody waited for do not count. */
  readonly processes: number
  /** Mounts in the namespace of this process. */
  readonly mounts: number
  /** Control groups of runs whose program no longer lives. */
  readonly cgroups: number
  /** Files and folders in the home: the data, config and state folders of the program are all in it. */
  readonly files: number
  /** Descriptors of this process. */
  readonly descriptors: number
}

export function takeCounts(world: World): Counts {
  return {
    processes: descendants(process.pid),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n').length,
    cgroups: deadGroups().length,
    files: readdirSync(world.home, { recursive: true }).length,
    descriptors: readdirSync('/proc/self/fd').length,
  }
}

const PR_SET_CHILD_SUBREAPER = 36

/** From now on, a process below this one whose parent ended becomes our child: so nothing escapes the count by forking twice. */
export function adoptOrphans(): void {
  const { i32, u64 } = FFIType
  const { symbols } = dlopen('libc.so.6', { prctl: { args: [i32, u64, u64, u64, u64], returns: i32 } })
  if (symbols.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) !== 0) throw new Error('this process cannot become the parent of orphans')
}

/** Processes below `root` that have not ended. */
export function descendants(root: number): number {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    const [state, parent] = /^\d+$/.test(name) ? statOf(name) : []
    if (state !== undefined && state !== 'Z' && parent !== undefined) parents.set(Number(name), Number(parent))
  }
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid)
    return parent === root || (parent !== undefined && parent !== 0 && isBelow(parent))
  }
  return [...parents.keys()].filter(isBelow).length
}

/** State and parent of a process: the fields after its name, which may hold spaces and parentheses. */
function statOf(pid: string): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ESRCH')) return []
    throw error
  }
}

/** A group is called `ID.PID.START` after the program that made it. Those of other people's runs that go on are not ours to count. */
function deadGroups(): string[] {
  const roots = findCgroupRoots(readFileSync('/proc/self/cgroup', 'utf8'), readFileSync('/proc/self/mountinfo', 'utf8'))
  const folders = new Set([roots?.memory, roots?.pids, roots?.cpu])
  return [...folders].flatMap((folder) => {
    if (folder === undefined || !existsSync(folder)) return []
    return namesIn(folder).filter((name) => {
      const [, pid, start] = /^\w+\.(\d+)\.(\d+)$/.exec(name) ?? []
      return pid !== undefined && start !== undefined && !isSameProcess(Number(pid), start)
    })
  })
}

/** A folder that we may not read is another user's, and no run of ours can have made a group in it. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if (isErrno(error, 'EACCES')) return []
    throw error
  }
}
