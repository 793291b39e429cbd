import { join, posix } from 'node:path'
import type { WorkspaceMode } from '../../contract/config.ts'
import type { WorkspaceView } from '../../drivers/driver.ts'
import { executableConfig, watchForChanges } from './executable-config.ts'
import { findProjectRoot } from './project-root.ts'
import { scanProject } from './scan.ts'
import type { ScanResult } from './scan.ts'

/** Where a sandbox has its project, empty or not. */
const INSIDE = '/workspace'

export interface WorkspaceRequest {
  readonly mode: WorkspaceMode
  /** Where the user stands; undefined when that folder was deleted. */
  readonly cwd: string | undefined
  readonly home: string
  /** Our own folders, never to be shown. */
  readonly dataDirs: readonly string[]
  readonly uid: number
  /** Folder for what scans remember; made when needed. */
  readonly cacheDir: string
  readonly signal?: AbortSignal
}

/** What a sandbox may see of the project. */
export interface WorkspaceChoice {
  /** Undefined = an empty workspace. */
  readonly view: WorkspaceView | undefined
  /** The current directory inside the sandbox, e.g. `/workspace/src`. */
  readonly cwdInside: string
  /** Why the workspace is empty although one was asked for, one sentence. */
  readonly notice?: string
  /** With `mount`, to be called after the run: a sentence when the command made files that run later on the host. */
  readonly noticeAfter?: () => string | undefined
}

/**
 * Decides what of the project a sandbox sees, in the mode asked for. Shows nothing, with a notice, where there is no
 * project or where it could not be looked through to the end.
 */
export async function describeWorkspace(request: WorkspaceRequest): Promise<WorkspaceChoice> {
  const { mode, cwd } = request
  if (mode === 'none') return { view: undefined, cwdInside: INSIDE }
  if (cwd === undefined) return empty('the current directory no longer exists', 'run from a project folder')
  const project = findProjectRoot({ ...request, cwd })
  if (project.root === undefined) return empty(project.reason, 'run from a project folder')
  const { root, subdir } = project
  const cacheFile = join(request.cacheDir, `${Bun.hash(root).toString(16)}.${mode}`)
  const scan = await scanProject({ mode, root, cacheFile, ...(request.signal === undefined ? {} : { signal: request.signal }) })
  if (scan.incomplete !== undefined) {
    return empty(`${root} cannot be shown safely, because ${scan.incomplete}`, 'run from a folder with less in it')
  }
  const cwdInside = posix.join(INSIDE, subdir)
  return mode === 'copy' ? { view: viewOf(mode, root, scan, []), cwdInside } : mounted(root, scan, cwdInside)
}

function mounted(root: string, scan: ScanResult, cwdInside: string): WorkspaceChoice {
  const { existing, unprotected } = executableConfig(root, scan.gitFolders)
  const changed = watchForChanges(root, unprotected)
  const noticeAfter = (): string | undefined => {
    const paths = changed()
    if (paths.length === 0) return undefined
    return `the command made ${paths.join(', ')}, which programs on this machine obey; look before you use the project.`
  }
  return { view: viewOf('mount', root, scan, existing), cwdInside, noticeAfter }
}

function viewOf(mode: WorkspaceView['mode'], hostPath: string, scan: ScanResult, readOnly: readonly string[]): WorkspaceView {
  return { mode, hostPath, hidden: scan.hidden, replaced: scan.replaced, readOnly }
}

function empty(reason: string, advice: string): WorkspaceChoice {
  return { view: undefined, cwdInside: INSIDE, notice: `the workspace is empty: ${reason}; ${advice}.` }
}
