import type { Permissions } from '../../contract/permissions.ts'
import type { RunIo } from '../../contract/run.ts'
import type { NetworkView, RunSpec } from '../driver.ts'
import { bwrapArgs, INIT_PATH } from './bwrap-args.ts'
import type { RunCgroup } from './cgroup.ts'
import { dotfileSteps, SANDBOX_HOME } from './host-root.ts'
import { idMapFor } from './identity.ts'
import { ownerOf, type PrologueFacts } from './launch-prologue.ts'
import { networkPart, networkSteps, secretFileSteps } from './network.ts'
import type { InitSpec, LaunchPlan, StageStep } from './plan.ts'
import { limitsWithoutCgroup } from './rlimits.ts'
import type { RunFolder } from './run-folder.ts'
import { sandboxPath } from './search-path.ts'
import { LOWER_MOUNT, RUN_MOUNT, runDir, WORKSPACE, workspaceSteps } from './workspace-steps.ts'

export interface PlanInput {
  readonly spec: RunSpec
  readonly io: RunIo
  readonly folder: RunFolder
  readonly cgroup: RunCgroup | undefined
  readonly begun: PrologueFacts
  readonly home: string
  readonly helperPath: string
  readonly bwrapPath: string
  /** Base64. */
  readonly seccomp: string
}

/** Everything else the launch helper shall do for one run. Pure but for looking at which tool folders exist. */
export function launchPlan(input: PlanInput): LaunchPlan & { readonly spec: InitSpec } {
  const { spec, begun } = input
  const project = spec.workspace?.hostPath
  const path = sandboxPath({ callerPath: spec.callerPath, home: input.home, toolFolders: begun.tools, project })
  const workspace = workspaceSteps(spec.workspace, spec.permissions.readOnlyRoot)
  const terminal = input.io.terminal !== undefined
  const env = { HOME: homeIn(spec.permissions), PATH: path, ...spec.network?.env, ...spec.env }
  const init = initStep(input.helperPath, spec.network)
  const own: StageStep[] = [init, { kind: 'bind', source: '@run', target: RUN_MOUNT }, ...tmpSteps(spec.permissions)]
  return {
    ...wallPlan({ ...input, permissions: spec.permissions, terminal }),
    mounts: [...own, ...homeSteps(input), ...workspace, ...networkSteps(spec.network), ...secretFileSteps(spec.secretFiles)].map((step) =>
      withRunFolder(step, input.folder.path),
    ),
    ...networkPart(spec.network, spec.ports !== undefined),
    ...identityPart(begun, project),
    detach: spec.workspace?.mode === 'copy' ? [RUN_MOUNT, LOWER_MOUNT] : [RUN_MOUNT],
    spec: {
      limits: limitsOf(input.cgroup, spec.permissions),
      argv: spec.command,
      env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      cwd: spec.cwd ?? WORKSPACE,
      terminal,
      ...(spec.ports === undefined ? {} : { ports: true }),
    },
  }
}

/** What keeps every sandbox in, whatever is in it. */
export interface WallInput {
  readonly permissions: Permissions
  readonly cgroup: RunCgroup | undefined
  readonly bwrapPath: string
  /** Base64. */
  readonly seccomp: string
  readonly terminal: boolean
  readonly hostName?: string
}

/** The part of a plan that makes the walls: groups, bubblewrap, filter, process 1. */
export function wallPlan({
  permissions,
  cgroup,
  bwrapPath,
  seccomp,
  terminal,
  hostName,
}: WallInput): Pick<LaunchPlan, 'cgroupProcs' | 'fallbackLimits' | 'terminal' | 'bwrap' | 'args' | 'seccomp' | 'init'> {
  return {
    cgroupProcs: cgroup?.procs ?? [],
    ...(cgroup?.joinMayFail === true ? { fallbackLimits: limitsWithoutCgroup(permissions) } : {}),
    terminal,
    bwrap: bwrapPath,
    args: bwrapArgs({ terminal, ...(hostName === undefined ? {} : { hostName }) }),
    seccomp,
    init: INIT_PATH,
  }
}

/**
 * The step that shows process 1. Where there is a network that is another program, `agentkernel-guest-net`, which can serve one: the small
 * one is started for everything else. So this is a step of the plan, not of the prologue: it would take a second mount to put that right.
 */
export const initStep = (helperPath: string, network: NetworkView | undefined): StageStep => ({
  kind: 'bind',
  source: network === undefined ? helperPath : `${helperPath}-net`,
  target: INIT_PATH.slice(1),
  readOnly: true,
})

/** Limits of each process, where no group holds the whole sandbox. */
export const limitsOf = (cgroup: RunCgroup | undefined, permissions: Permissions): InitSpec['limits'] =>
  cgroup === undefined ? limitsWithoutCgroup(permissions) : []

/** The home of a sandbox: its own, or /tmp where nothing else can be written. */
export const homeIn = (permissions: Permissions): string => (permissions.readOnlyRoot ? '/tmp' : SANDBOX_HOME)

/** Whom to become, and another id map when the project belongs to somebody else than the folder the caller stands in. */
function identityPart({ identity: { dropTo }, owner }: PrologueFacts, project: string | undefined): Pick<LaunchPlan, 'dropTo' | 'idMap'> {
  if (dropTo === undefined) return {}
  const actual = ownerOf(project)
  const same = actual.uid === owner.uid && actual.gid === owner.gid
  return project === undefined || same ? { dropTo } : { dropTo, idMap: idMapFor(dropTo.uid, actual) }
}

/** Folders in memory, with their limits. */
export function tmpSteps({ tmpBytes, tmpExec }: Permissions): StageStep[] {
  return [
    { kind: 'tmpfs', target: 'dev/shm', mode: 0o1777, size: tmpBytes, noExec: true },
    { kind: 'tmpfs', target: 'tmp', mode: 0o1777, size: tmpBytes, noExec: !tmpExec },
  ]
}

/** The sandbox's own home: on disk and writable, except in a read-only sandbox, whose home is /tmp. */
function homeSteps({ spec, home }: PlanInput): StageStep[] {
  const target = SANDBOX_HOME.slice(1)
  if (spec.permissions.readOnlyRoot) return [{ kind: 'dir', target, mode: 0o755 }]
  const own: StageStep[] = [runDir('home'), { kind: 'bind', source: '@run/home', target }]
  return spec.permissions.mountHome ? [...own, ...dotfileSteps(home)] : own
}

function withRunFolder(step: StageStep, folder: string): StageStep {
  return step.source?.startsWith('@run') === true ? { ...step, source: folder + step.source.slice('@run'.length) } : step
}
