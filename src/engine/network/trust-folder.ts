import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ignore } from '../../lib/ignore.ts'
import { isSameProcess, startTimeOf } from '../../lib/process-identity.ts'

/**
 * Folders that hold a run's certificates while it runs: `<id>.<pid>.<start time>`, so that what a crash left can be told from what is in
 * use. They hold nothing secret, and every identity may read them, because a sandbox's may be another than ours.
 */
export function makeTrustFolder(parent: string, id: string): string {
  mkdirSync(parent, { recursive: true, mode: 0o711 })
  sweep(parent)
  const path = join(parent, `${id}.${process.pid}.${startTimeOf(process.pid) ?? '0'}`)
  mkdirSync(path, { mode: 0o755 })
  return path
}

export function removeTrustFolder(path: string): void {
  rmSync(path, { recursive: true, force: true })
}

/** Removes the folders of processes that are gone. */
function sweep(parent: string): void {
  for (const name of readdirSync(parent)) {
    const [, pid, start] = /^[0-9a-z-]+\.(\d+)\.(\d+)$/.exec(name) ?? []
    if (pid === undefined || start === undefined || isSameProcess(Number(pid), start)) continue
    try {
      removeTrustFolder(join(parent, name))
    } catch (error) {
      ignore(error, 'the next run tries again')
    }
  }
}
