import { statSync } from 'node:fs'
import { EMPTY_PATH } from './bwrap-args.ts'
import { DEVICES } from './host-allowlist.ts'
import { homeToolSteps, hostRootSteps, OWN_FOLDER } from './host-root.ts'
import { type Identity, idMapFor, type Owner } from './identity.ts'
import type { LaunchPrologue, StageStep } from './plan.ts'

/** What is known before everything is decided. */
export interface PrologueFacts {
  readonly identity: Identity
  /** Owner of the folder the caller stands in: most likely the project's. */
  readonly owner: Owner
  /** Tool folders of the home that are shown. */
  readonly tools: readonly string[]
}

/** What every sandbox has, whatever runs in it: the helper builds it while the rest is still being decided. */
export function launchPrologue(
  input: { readonly stage: string; readonly terminal: boolean; readonly hostName?: string } & PrologueFacts,
): LaunchPrologue {
  const { dropTo } = input.identity
  const dir = (target: string): StageStep => ({ kind: 'dir', target, mode: 0o755 })
  const mounts: StageStep[] = [
    ...['etc', 'etc/ssl', 'home', 'media', 'mnt', 'opt', 'root', 'run', 'srv', 'var', 'dev', OWN_FOLDER].map((name) => dir(name)),
    // bubblewrap needs the host's to start; it mounts the sandbox's own over it.
    { kind: 'bind', source: '/proc', target: 'proc' },
    ...deviceSteps(input.terminal),
    { kind: 'file', target: EMPTY_PATH.slice(1), data: '', mode: 0o444 },
    // Relative: while the root is being built, an absolute link would lead to the host.
    { kind: 'symlink', target: 'var/tmp', data: '../tmp' },
    { kind: 'symlink', target: 'var/run', data: '../run' },
    ...hostRootSteps(input.hostName),
    ...homeToolSteps(input.tools),
  ]
  return { stage: input.stage, mounts, ...(dropTo === undefined ? {} : { idMap: idMapFor(dropTo.uid, input.owner) }) }
}

/** A small /dev: a few harmless devices, terminals of its own, and the run's terminal where it has one. */
function deviceSteps(terminal: boolean): StageStep[] {
  const link = (name: string, data: string): StageStep => ({ kind: 'symlink', target: `dev/${name}`, data })
  return [
    { kind: 'devices', source: '/dev', target: 'dev', names: DEVICES },
    { kind: 'devpts', target: 'dev/pts' },
    link('ptmx', 'pts/ptmx'),
    link('fd', '/proc/self/fd'),
    link('stdin', '/proc/self/fd/0'),
    link('stdout', '/proc/self/fd/1'),
    link('stderr', '/proc/self/fd/2'),
    ...(terminal ? [{ kind: 'console', target: 'dev/console' } as const] : []),
  ]
}

/** Folders an own mount is put over, in the sandbox's mount namespace only; every identity may pass through them. */
const STAGE_FOLDERS = ['/mnt', '/media', '/srv', '/opt', '/tmp'] as const

/** A folder for the stage that is not above any of the paths a run shows. Undefined when all of them are. */
export function stageFolder(shown: readonly string[]): string | undefined {
  return STAGE_FOLDERS.find(
    (folder) =>
      !shown.some((path) => path === folder || path.startsWith(`${folder}/`)) &&
      statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true,
  )
}

/** The owner of a folder; root when there is none. */
export function ownerOf(path: string | undefined): Owner {
  const info = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false })
  return info === undefined ? { uid: 0, gid: 0 } : { uid: info.uid, gid: info.gid }
}
