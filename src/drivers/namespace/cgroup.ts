import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { isErrno } from '../../lib/errno.ts'
import { ignore } from '../../lib/ignore.ts'

/**
 * Control groups of one run, on version 1 (also hybrid) and version 2. Each run has a group of its own below a folder
 * `agentkernel`; the launch helper joins it by itself before anything else runs.
 */
export interface CgroupRoots {
  readonly version: 1 | 2
  /** The folder for our groups, by controller; on version 2 all three are the same folder. */
  readonly memory?: string
  readonly pids?: string
  readonly cpu?: string
  /** Where processor time is counted, on version 1 where that is another folder than `cpu`; for sandboxes that stay. */
  readonly cpuacct?: string
  /** Somebody else moves the helper here and may refuse; then the limits are set for each process. */
  readonly joinMayFail?: true
}
export interface CgroupLimits {
  readonly memoryBytes: number
  readonly pids: number
  /** Cores; undefined = no limit. */
  readonly cpus: number | undefined
}
export interface CgroupUsage {
  readonly oomKills: number
  readonly peakBytes: number | undefined
}

export const CPU_PERIOD_US = 100_000
/** How much of a period a sandbox may use, in microseconds. */
export const cpuQuotaUs = (cpus: number): number => Math.max(1000, Math.round(cpus * CPU_PERIOD_US))

/** Finds where groups can be made, from `/proc/self/cgroup` and `/proc/self/mountinfo`. Undefined = nowhere. */
export function findCgroupRoots(selfCgroup: string, mountInfo: string): CgroupRoots | undefined {
  const mounts = mountInfo.split('\n').flatMap((line) => {
    // See proc_pid_mountinfo(5): six fixed fields, optional ones up to a dash, then type, source and options.
    const [fixed, tail] = line.split(' - ')
    const [, , , root, point] = fixed?.split(' ') ?? []
    const [type, , options] = tail?.split(' ') ?? []
    return root === undefined || point === undefined || type?.startsWith('cgroup') !== true
      ? []
      : [{ root, point, type, options: options?.split(',') ?? [] }]
  })
  const own = (controller: string): string =>
    new RegExp(`^\\d+:(?:[^:]*,)?${controller}(?:,[^:]*)?:(.*)$`, 'm').exec(selfCgroup)?.[1] ?? '/'
  const version1 = (controller: string): string | undefined => {
    const mount = mounts.find((candidate) => candidate.type === 'cgroup' && candidate.options.includes(controller))
    if (mount === undefined) return undefined
    const relative = mount.root === '/' ? own(controller) : own(controller).slice(mount.root.length)
    return `${mount.point}${relative === '/' ? '' : relative}/agentkernel`
  }
  const memory = version1('memory')
  if (memory !== undefined) {
    const [cpu, counted] = [version1('cpu'), version1('cpuacct')]
    const cpuacct = counted === cpu ? undefined : counted
    return { version: 1, memory, ...optional('pids', version1('pids')), ...optional('cpu', cpu), ...optional('cpuacct', cpuacct) }
  }
  const unified = mounts.find((candidate) => candidate.type === 'cgroup2')
  if (unified === undefined) return undefined
  // A user may make groups only in the part of the tree that systemd gave to the user's own manager. Our processes can move
  // there when they come from there; from elsewhere the kernel refuses, and the limits are set for each process.
  const own2 = /^0::(.*)$/m.exec(selfCgroup)?.[1] ?? '/'
  const delegated = /^.*\/user@\d+\.service(?=\/|$)/.exec(own2)?.[0] ?? ''
  const folder = `${unified.point}${delegated}/agentkernel`
  return { version: 2, memory: folder, pids: folder, cpu: folder }
}

const optional = <K extends string>(key: K, value: string | undefined): Partial<Record<K, string>> =>
  value === undefined ? {} : ({ [key]: value } as Partial<Record<K, string>>)

/** The groups of one run. `procs` are the files to join; `release` removes the groups and may be called again. */
export class RunCgroup {
  readonly procs: readonly string[]
  /** See `CgroupRoots`. */
  readonly joinMayFail: boolean
  #cpuHolds = true
  readonly #roots: CgroupRoots
  readonly #folders: readonly string[]
  readonly #name: string

  private constructor(roots: CgroupRoots, name: string, folders: readonly string[]) {
    this.#roots = roots
    this.joinMayFail = roots.joinMayFail === true
    this.#name = name
    this.#folders = folders
    // One thread moving itself takes no global lock; moving a process waits for every processor (10 ms and more). The
    // helper moves the one thread that survives its exec. Version 2 has no such file for groups like ours.
    this.procs = folders.map((folder) => `${folder}/${roots.version === 1 ? 'tasks' : 'cgroup.procs'}`)
  }

  /**
   * Makes the groups and sets the limits. A single run gets no more groups than that takes: each makes it slower. Throws the system's error
   * where that is not allowed; nothing is left then.
   */
  static create(roots: CgroupRoots, name: string, limits: CgroupLimits, kind: 'run' | 'stays' = 'run'): RunCgroup {
    const folders = kind === 'stays' ? allFolders(roots, name) : foldersOf(roots, name, limits.cpus !== undefined)
    const group = new RunCgroup(roots, name, folders)
    try {
      for (const folder of folders) makeGroup(folder, roots.version)
      group.#limit(limits)
    } catch (error) {
      group.release()
      throw error
    }
    return group
  }

  #limit(limits: CgroupLimits): void {
    const { version, memory, pids } = this.#roots
    const put = (root: string | undefined, file: string, value: string): void => {
      if (root !== undefined) writeFileSync(`${root}/${this.#name}/${file}`, value)
    }
    put(memory, version === 1 ? 'memory.limit_in_bytes' : 'memory.max', `${limits.memoryBytes}`)
    try {
      put(memory, version === 1 ? 'memory.memsw.limit_in_bytes' : 'memory.swap.max', version === 1 ? `${limits.memoryBytes}` : '0')
    } catch (error) {
      ignore(error, 'kernels without swap accounting have no such file, and then no swap to take')
    }
    put(pids, 'pids.max', `${limits.pids}`)
    if (limits.cpus !== undefined) this.#limitCpus(limits.cpus, put)
  }

  #limitCpus(cpus: number, put: (root: string | undefined, file: string, value: string) => void): void {
    const { version, cpu } = this.#roots
    const quota = cpuQuotaUs(cpus)
    if (version === 1) {
      put(cpu, 'cpu.cfs_period_us', `${CPU_PERIOD_US}`)
      put(cpu, 'cpu.cfs_quota_us', `${quota}`)
      return
    }
    try {
      put(cpu, 'cpu.max', `${quota} ${CPU_PERIOD_US}`)
    } catch (error) {
      if (!isErrno(error, 'EACCES', 'EPERM', 'ENOENT')) throw error
      // Older systemds hand users memory and pids only. The other limits are worth having without this one.
      this.#cpuHolds = false
    }
  }

  /** False = a limit for processors was asked for, and the controller is not handed to us. */
  get cpuHolds(): boolean {
    return this.#cpuHolds
  }

  usage(): CgroupUsage {
    const read = (file: string): string => {
      try {
        return readFileSync(`${this.#roots.memory}/${this.#name}/${file}`, 'utf8')
      } catch (error) {
        ignore(error, 'older kernels do not have every file')
        return ''
      }
    }
    const events = read(this.#roots.version === 1 ? 'memory.oom_control' : 'memory.events')
    const peak = Number.parseInt(read(this.#roots.version === 1 ? 'memory.max_usage_in_bytes' : 'memory.peak'), 10)
    return { oomKills: Number(/^oom_kill (\d+)/m.exec(events)?.[1] ?? 0), peakBytes: Number.isNaN(peak) ? undefined : peak }
  }

  /** False = a group is still emptying; then the run's folder must stay, so that a later run finds both by their name. */
  release(): boolean {
    return removeGroups(this.#folders)
  }
}

function foldersOf(roots: CgroupRoots, name: string, withCpu: boolean): string[] {
  const chosen = [roots.memory, roots.pids, withCpu ? roots.cpu : undefined].filter((root) => root !== undefined)
  return [...new Set(chosen)].map((root) => `${root}/${name}`)
}

function makeGroup(folder: string, version: 1 | 2): void {
  try {
    mkdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    const parent = folder.slice(0, folder.lastIndexOf('/'))
    mkdirSync(parent, { recursive: true })
    if (version === 2) {
      // A group's limits exist only when every group above hands the controllers down.
      for (const above of [parent.slice(0, parent.lastIndexOf('/')), parent]) handDown(above)
    }
    mkdirSync(folder)
  }
}

/** Lets the groups below use each controller that is there. One that is missing shows when its limit is set. */
function handDown(group: string): void {
  for (const controller of ['memory', 'pids', 'cpu']) {
    try {
      writeFileSync(`${group}/cgroup.subtree_control`, `+${controller}`)
    } catch (error) {
      ignore(error, 'not handed to this group, or handed down already by somebody else')
    }
  }
}

/** Every group that one of this name can have. */
function allFolders(roots: CgroupRoots, name: string): string[] {
  return [...foldersOf(roots, name, true), ...(roots.cpuacct === undefined ? [] : [`${roots.cpuacct}/${name}`])]
}

/** Removes the groups of a run that is over, by name: for a run whose process crashed. False = some are still emptying. */
export function releaseCrashed(roots: CgroupRoots, name: string): boolean {
  const folders = allFolders(roots, name)
  if (removeGroups(folders)) return true
  // bubblewrap killed while it starts can leave a child that waits for it for ever.
  folders.forEach(killMembers)
  return removeGroups(folders)
}

/** Kills what is in a group. Its run is over, so nobody but a leftover of it can be there. */
function killMembers(folder: string): void {
  try {
    for (const pid of readFileSync(`${folder}/cgroup.procs`, 'utf8').split('\n')) if (Number(pid) > 1) process.kill(Number(pid), 'SIGKILL')
  } catch (error) {
    ignore(error, 'the group or its last process has just gone')
  }
}

/** True when every group is gone. One whose last process is just ending cannot be removed yet. */
function removeGroups(folders: readonly string[]): boolean {
  let gone = true
  for (const folder of folders) {
    try {
      rmdirSync(folder)
    } catch (error) {
      if (isErrno(error, 'EBUSY')) gone = false
      else ignore(error, 'already gone, or never made because that is not allowed here')
    }
  }
  return gone
}
