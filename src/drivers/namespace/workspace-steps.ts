import { dirname } from 'node:path'
import type { WorkspaceView } from '../driver.ts'
import { OWN_FOLDER } from './host-root.ts'
import type { StageStep } from './plan.ts'

export const WORKSPACE = '/workspace'
const TARGET = WORKSPACE.slice(1)
/** The run's own folder on disk, bound into the stage: the upper layer and the home live there. */
export const RUN_MOUNT = `${OWN_FOLDER}/run`
/** The project as it is, below the overlay. */
export const LOWER_MOUNT = `${OWN_FOLDER}/lower`

/** How the project gets into the sandbox. */
export function workspaceSteps(view: WorkspaceView | undefined, readOnlyRoot: boolean): StageStep[] {
  if (view === undefined) return emptyWorkspace(readOnlyRoot)
  return [...(view.mode === 'copy' ? copyView(view) : mountView(view)), ...hostPathLink(view.hostPath)]
}

/** A folder of the sandbox's own in the run's folder on disk. */
export const runDir = (name: string): StageStep => ({ kind: 'dir', target: `${RUN_MOUNT}/${name}`, mode: 0o755, owned: true })

function emptyWorkspace(readOnly: boolean): StageStep[] {
  if (readOnly) return [{ kind: 'dir', target: TARGET, mode: 0o755 }]
  return [runDir('upper'), { kind: 'bind', source: '@run/upper', target: TARGET }]
}

/** A private view of the files. Where the kernel has no overlay for us, the helper copies them and says so. */
function copyView(view: WorkspaceView): StageStep[] {
  return [
    runDir('upper'),
    runDir('work'),
    { kind: 'bind', source: view.hostPath, target: LOWER_MOUNT, readOnly: true, map: true, exact: true },
    { kind: 'overlay', target: TARGET, lower: LOWER_MOUNT, upper: RUN_MOUNT },
    ...view.hidden.map((path): StageStep => ({ kind: 'remove', within: TARGET, target: path, optional: true })),
    ...view.replaced.map((file): StageStep => ({
      kind: 'file',
      within: TARGET,
      target: file.path,
      data: file.content,
      mode: 0o644,
      owned: true,
      optional: true,
    })),
  ]
}

/** The folders of the project that a path is in, e.g. `a` and `a/b` of `a/b/c`. */
function foldersAbove(path: string): string[] {
  const parent = dirname(path)
  return parent === '.' ? [] : [...foldersAbove(parent), parent]
}

/** The real files. What would run on the host later is read-only; sockets and FIFOs are covered by an empty file. */
function mountView(view: WorkspaceView): StageStep[] {
  const own = (path: string, readOnly: boolean): StageStep => ({
    kind: 'bind',
    source: `${view.hostPath}/${path}`,
    within: TARGET,
    target: path,
    readOnly,
    map: true,
    exact: true,
    optional: true,
  })
  // A mount can be carried away with the folder it is in, and a new folder put there; a folder that is itself one cannot.
  const pinned = [...new Set(view.readOnly.flatMap((path) => foldersAbove(path)))].toSorted()
  return [
    { kind: 'file', target: `${RUN_MOUNT}/empty`, data: '', mode: 0o444 },
    { kind: 'bind', source: view.hostPath, target: TARGET, map: true, exact: true },
    ...pinned.map((path) => own(path, false)),
    ...view.readOnly.map((path) => own(path, true)),
    ...view.hidden.map((path): StageStep => ({
      kind: 'bind',
      source: '@run/empty',
      within: TARGET,
      target: path,
      readOnly: true,
      optional: true,
    })),
  ]
}

/** The project's path on the host leads to the workspace, so that absolute paths in commands and PATH stay true. */
export function hostPathLink(hostPath: string): StageStep[] {
  if (hostPath === WORKSPACE || hostPath.startsWith(`${WORKSPACE}/`) || hostPath.startsWith('/usr/')) return []
  return [{ kind: 'symlink', target: hostPath.slice(1), data: WORKSPACE, optional: true }]
}
