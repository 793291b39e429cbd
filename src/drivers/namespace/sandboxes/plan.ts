import type { SandboxSpec } from '../../driver.ts'
import type { Owner } from '../../shared/keep-helper.ts'
import type { SandboxFolder } from '../../shared/sandbox-folder.ts'
import type { RunCgroup } from '../cgroup.ts'
import { dotfileSteps, SANDBOX_HOME } from '../host-root.ts'
import { initStep, limitsOf, tmpSteps, wallPlan } from '../launch-plan.ts'
import { networkPart, networkSteps, secretFileSteps } from '../network.ts'
import type { LaunchPlan, StageStep } from '../plan.ts'
import { hostPathLink, WORKSPACE } from '../workspace-steps.ts'

export interface SandboxPlanInput {
  readonly spec: SandboxSpec
  readonly folder: SandboxFolder
  /** Undefined: the sandbox is the user's own. */
  readonly dropTo: Owner | undefined
  readonly cgroup: RunCgroup | undefined
  /** The user's, for settings that are shown. */
  readonly home: string
  readonly helperPath: string
  readonly bwrapPath: string
  /** Base64. */
  readonly seccomp: string
  readonly version: string
}

/**
 * The plan of a sandbox that stays. The walls are those of a single run; home and workspace are its own folders on disk, so nothing of the
 * project's live files is in it.
 */
export function sandboxPlan(input: SandboxPlanInput): LaunchPlan {
  const { spec, cgroup, dropTo } = input
  const { permissions } = spec
  return {
    ...wallPlan({ ...input, permissions, terminal: false, hostName: spec.name }),
    mounts: [
      initStep(input.helperPath, spec.network),
      ...tmpSteps(permissions),
      ...homeSteps(input),
      ...workspaceSteps(input),
      ...networkSteps(spec.network),
      ...secretFileSteps(spec.secretFiles),
    ],
    ...networkPart(spec.network, spec.inbound),
    detach: [],
    ...(dropTo === undefined ? {} : { dropTo }),
    mode: 'agent',
    spec: { limits: limitsOf(cgroup, permissions), version: input.version },
  }
}

function homeSteps({ spec: { permissions }, folder, home }: SandboxPlanInput): StageStep[] {
  const target = SANDBOX_HOME.slice(1)
  if (permissions.readOnlyRoot) return [{ kind: 'dir', target, mode: 0o755 }]
  return [{ kind: 'bind', source: folder.home, target }, ...(permissions.mountHome ? dotfileSteps(home) : [])]
}

function workspaceSteps({ spec: { permissions, workspace }, folder }: SandboxPlanInput): StageStep[] {
  const target = WORKSPACE.slice(1)
  if (workspace === undefined && permissions.readOnlyRoot) return [{ kind: 'dir', target, mode: 0o755 }]
  const own: StageStep = { kind: 'bind', source: folder.upper, target }
  return workspace === undefined ? [own] : [own, ...hostPathLink(workspace.hostPath)]
}
