import { constants } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ignore } from '../../lib/ignore.ts'
import type { ProjectEntry } from './by-files.ts'
import { PROCFILE_LIMIT } from './by-procfile.ts'

/** What detection needs to know about a project. */
export interface ProjectListing {
  readonly entries: readonly ProjectEntry[]
  /** The first 64 KiB of the Procfile; undefined when there is none that is a regular file. */
  readonly procfile: string | undefined
}

/**
 * The top level of `dir`, with one `readdir` and never deeper. A directory that cannot be read, or is gone, is an empty
 * listing: detection then falls back to the default image.
 */
export async function readProject(dir: string): Promise<ProjectListing> {
  const entries = await readEntries(dir)
  const hasProcfile = entries.some((entry) => entry.name === 'Procfile' && !entry.isDirectory)
  return { entries, procfile: hasProcfile ? await readProcfile(join(dir, 'Procfile')) : undefined }
}

async function readEntries(dir: string): Promise<readonly ProjectEntry[]> {
  try {
    const found = await readdir(dir, { withFileTypes: true })
    return found.map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }))
  } catch (error) {
    ignore(error, 'an unreadable directory tells nothing about its language')
    return []
  }
}

async function readProcfile(path: string): Promise<string | undefined> {
  try {
    // O_NONBLOCK: opening a FIFO called Procfile must not wait for a writer.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    if (!(await file.stat()).isFile()) return undefined
    const buffer = Buffer.alloc(PROCFILE_LIMIT)
    const { bytesRead } = await file.read(buffer, 0, PROCFILE_LIMIT, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } catch (error) {
    ignore(error, 'a Procfile that cannot be read is as good as none')
    return undefined
  }
}
