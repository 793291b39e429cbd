import { posix } from 'node:path'
import type { ResolvedConfig } from '../contract/config.ts'
import { PASS_ENV, type RunRequest, TERMINAL_ENV } from '../contract/run.ts'
import type { WorkspaceChoice } from './workspace/describe.ts'

/** Variables of `PASS_ENV` that would be wrong inside: the sandbox has a home and a search path of its own. */
const OWN = new Set(['PATH', 'HOME'])

/** The command's environment: terminal and locale settings, what the profile passes, the config's, then the user's. */
export function sandboxEnvironment(request: RunRequest, config: ResolvedConfig, passEnv: boolean): Record<string, string> {
  const names = [...TERMINAL_ENV, ...(passEnv ? PASS_ENV.filter((name) => !OWN.has(name)) : [])]
  const passed = Object.entries(request.callerEnv).filter(([name]) => names.some((pattern) => matches(pattern, name)))
  return { ...Object.fromEntries(passed), ...config.environment, ...request.env }
}

const matches = (pattern: string, name: string): boolean =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern

/** Where the command starts inside: relative paths from the caller's place in the project, project paths moved along. */
export function insideDirectory(workdir: string | undefined, workspace: WorkspaceChoice): string {
  if (workdir === undefined) return workspace.cwdInside
  if (!workdir.startsWith('/')) return posix.join(workspace.cwdInside, workdir)
  const project = workspace.view?.hostPath
  if (project !== undefined && (workdir === project || workdir.startsWith(`${project}/`)))
    return `/workspace${workdir.slice(project.length)}`
  return workdir
}
