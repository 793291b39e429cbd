import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ignore } from '../../lib/ignore.ts'
import type { SandboxEgress } from '../driver.ts'
import type { ProcessIdentity } from './process.ts'

/**
 * What of a sandbox that stays is on disk, below `sandboxes/<id>`:
 *
 *     home/          its own home
 *     upper/         its workspace: the private copy of the project. There = create is done with it
 *     upper.new/     a copy that is being made
 *     log/           output of its commands; never shown inside
 *     live.json      who runs it, from the moment before that process gets its orders until nothing of it is left
 */
export interface SandboxFolder {
  readonly path: string
  readonly home: string
  readonly upper: string
  readonly fresh: string
  readonly log: string
  readonly live: string
}

/** What must be known to end a sandbox, whoever started it. */
export interface Live extends ProcessIdentity {
  readonly runtime_dir: string
  /** True once its agent answered. */
  readonly ready: boolean
  /** How what leaves it reaches the gateway, once it is ready. */
  readonly egress?: SandboxEgress
  /** The driver's own business: what limits it. */
  readonly groups?: unknown
}

export const sandboxesDir = (dataDir: string): string => join(dataDir, 'sandboxes')

export function sandboxFolder(dataDir: string, id: string): SandboxFolder {
  const path = join(sandboxesDir(dataDir), id)
  const part = (name: string): string => join(path, name)
  return {
    path,
    home: part('home'),
    upper: part('upper'),
    fresh: part('upper.new'),
    log: part('log'),
    live: part('live.json'),
  }
}

/** True when everything that lasts is there. */
export const isMade = (folder: SandboxFolder): boolean => existsSync(folder.upper)

/** Ids of the sandboxes that have a folder. */
export function sandboxIds(dataDir: string): string[] {
  try {
    return readdirSync(sandboxesDir(dataDir)).filter((name) => /^[0-9a-f-]{36}$/.test(name))
  } catch (error) {
    ignore(error, 'none was ever made here')
    return []
  }
}

export function readLive(folder: SandboxFolder): Live | undefined {
  try {
    // Only we write it, whole or not at all.
    return JSON.parse(readFileSync(folder.live, 'utf8')) as Live
  } catch (error) {
    ignore(error, 'it does not run')
    return undefined
  }
}

export function writeLive(folder: SandboxFolder, live: Live): void {
  writeFileSync(`${folder.live}.new`, JSON.stringify(live), { mode: 0o600 })
  renameSync(`${folder.live}.new`, folder.live)
}

export const removeLive = (folder: SandboxFolder): void => rmSync(folder.live, { force: true })
