import { readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { findCgroupRoots } from '../../src/drivers/namespace/cgroup.ts'
import { runFolders, type World } from './world.ts'

const read = (path: string): string => {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

const mountsAtStart = new Set(read('/proc/self/mountinfo').split('\n'))
const groups = findCgroupRoots(read('/proc/self/cgroup'), read('/proc/self/mountinfo'))

/** Processes on the host that belong to sandboxes of this world: its helpers, and what runs as nobody else would. */
export function sandboxProcesses(world: World): string[] {
  const helpers = world.helpers.map(inode)
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && Number(pid) !== world.victim.pid && belongs(world, pid, helpers))
}

function belongs(world: World, pid: string, helpers: readonly (string | undefined)[]): boolean {
  const program = inode(`/proc/${pid}/exe`)
  if (program !== undefined && helpers.includes(program)) return true
  if (world.caller.uid === 0 || world.caller.uid === process.getuid?.()) return false
  const status = read(`/proc/${pid}/status`)
  return new RegExp(`^Uid:\\t${world.caller.uid}\\t`, 'm').test(status) && !/^State:\tZ/m.test(status)
}

function inode(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path)
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

/** Control groups of the runs of these processes. */
export const groupsOf = (pids: readonly number[]): string[] => groupFolders(pids).map((folder) => basename(folder))

/** Processes that are still in those groups. */
export const membersOf = (pids: readonly number[]): string[] =>
  groupFolders(pids).flatMap((folder) => read(`${folder}/cgroup.procs`).split('\n').filter(Boolean))

function groupFolders(pids: readonly number[]): string[] {
  return [...new Set([groups?.memory, groups?.pids, groups?.cpu])].flatMap((parent) =>
    parent === undefined
      ? []
      : namesIn(parent)
          .filter((name) => pids.some((pid) => name.includes(`.${pid}.`)))
          .map((name) => join(parent, name)),
  )
}

/** Nothing where there is none, or only another user's: then nothing in it is ours. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Mounts of the host that were not there before the tests. */
export function newMounts(): string[] {
  return read('/proc/self/mountinfo')
    .split('\n')
    .filter((line) => !mountsAtStart.has(line))
}

/** Everything that runs of these processes left behind, in words; empty = nothing. */
export function leftovers(world: World, pids: readonly number[]): string[] {
  return [
    ...sandboxProcesses(world).map((pid) => `process ${pid}`),
    ...groupsOf(pids).map((name) => `control group ${name}`),
    ...newMounts().map((line) => `mount ${line}`),
    ...runFolders(world).map((name) => `folder ${name}`),
  ]
}

/** Waits until a look finds nothing, for as long as the test may take. */
export async function untilEmpty(look: () => readonly string[]): Promise<void> {
  while (look().length > 0) await Bun.sleep(5)
}
