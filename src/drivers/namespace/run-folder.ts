import { type Dirent, mkdirSync, readdirSync, readlinkSync, rmSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { ignore } from '../../lib/ignore.ts'
import { isSameProcess, startTimeOf } from '../../lib/process-identity.ts'
import { removeTree } from '../../lib/remove-tree.ts'

/**
 * The folder of one run on disk: `<id>.<pid>.<start time>.<pid namespace>` below `runs/`. Its name is its owner, so a run
 * whose process is gone can be told from a live one, and it is the journal: made before anything else, removed last.
 * Containers may share a home, and a pid says nothing in another namespace: runs from there are left to their own kind.
 */
export interface RunFolder {
  readonly name: string
  readonly path: string
}

/** Makes an empty run folder. What goes into it is made by the helper, with the right owner. */
export function createRunFolder(runsDir: string, id: string): RunFolder {
  const name = `${id}.${process.pid}.${startTimeOf(process.pid) ?? '0'}.${pidNamespace()}`
  const path = join(runsDir, name)
  mkdirOnce(path, runsDir)
  return { name, path }
}

/** The number of our pid namespace. */
function pidNamespace(): string {
  return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0'
}

function mkdirOnce(path: string, parent: string): void {
  try {
    mkdirSync(path, 0o700)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    mkdirSync(parent, { recursive: true, mode: 0o700 })
    mkdirSync(path, 0o700)
  }
}

/** Removes a run's folder whatever the workload did in it. Returns also when it is gone already. */
export function removeRunFolder(path: string): void {
  try {
    // Nearly always small and ordinary; the folders of an untouched run need no walk.
    removeSmall(path)
  } catch (error) {
    ignore(error, 'not ordinary: the thorough way follows')
    removeTree(path)
  }
}

function removeSmall(path: string): void {
  for (const name of readdirSync(path)) {
    const part = join(path, name)
    // The overlay's own folder is never empty; the other two are unless the command used them.
    if (name === 'work') rmSync(part, { recursive: true })
    else rmdirSync(part)
  }
  rmdirSync(path)
}

/** Run folders whose process is gone. */
export function abandonedRuns(runsDir: string): string[] {
  let names: string[]
  try {
    names = readdirSync(runsDir)
  } catch (error) {
    ignore(error, 'no run was ever made here')
    return []
  }
  if (names.length === 0) return []
  const here = pidNamespace()
  return names.filter((name) => {
    const [, pid, startTime, namespace] = name.split('.')
    return pid !== undefined && startTime !== undefined && namespace === here && !isSameProcess(Number(pid), startTime)
  })
}

/** What programs refresh by only looking: git writes its index when asked for a status. */
const NOT_A_CHANGE = '.git/index'

/** Counts what the command changed in its copy of the project: files written, and files removed. */
export function countChanges(upper: string, limit: number): number {
  let count = 0
  const visit = (folder: string): void => {
    for (const entry of entriesOf(folder)) {
      if (count >= limit) return
      if (entry.isDirectory()) visit(join(folder, entry.name))
      else if (join(folder, entry.name) !== join(upper, NOT_A_CHANGE)) count++
    }
  }
  visit(upper)
  return count
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    ignore(error, 'a folder the command locked cannot be counted; the others are')
    return []
  }
}
