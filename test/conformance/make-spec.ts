import { randomInt } from 'node:crypto'
import type { Permissions } from '../../src/contract/permissions.ts'
import type { RunSpec, WorkspaceView } from '../../src/drivers/driver.ts'

const MIB = 1024 ** 2

/** Small limits that every machine can give. */
export const PERMISSIONS: Permissions = {
  profile: 'moderate',
  network: 'none',
  networkRules: { allow: [], block: [] },
  workspace: 'none',
  mountHome: false,
  passEnv: false,
  readOnlyRoot: false,
  seccomp: 'moderate',
  memoryBytes: 256 * MIB,
  cpus: undefined,
  pids: 256,
  tmpBytes: 64 * MIB,
  tmpExec: true,
}

/** What a case says about its run; the rest is filled in. */
export type SpecParts = Partial<Omit<RunSpec, 'command' | 'permissions'>> & {
  readonly command: readonly string[]
  readonly permissions?: Partial<Permissions>
}

/** A complete spec for one run with a fresh id. */
export function makeSpec({ permissions, ...parts }: SpecParts): RunSpec {
  const workspace = parts.workspace?.mode ?? 'none'
  return {
    id: Array.from({ length: 16 }, () => randomInt(36).toString(36)).join(''),
    env: {},
    callerPath: '/usr/local/bin:/usr/bin:/bin',
    cwd: undefined,
    image: 'host',
    workspace: undefined,
    timeoutMs: undefined,
    ...parts,
    permissions: { ...PERMISSIONS, workspace, ...permissions },
  }
}

/** A view of a project with nothing hidden, replaced or read-only unless `parts` says so. */
export function makeView(hostPath: string, mode: 'copy' | 'mount', parts: Partial<WorkspaceView> = {}): WorkspaceView {
  return { mode, hostPath, hidden: [], replaced: [], readOnly: [], ...parts }
}
