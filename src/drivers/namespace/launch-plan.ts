import { statSync } from 'node:fs'
import type { RunIo } from '../../contract/run.ts'
import type { RunSpec } from '../driver.ts'
import { bwrapArgs, EMPTY_PATH, INIT_PATH } from './bwrap-args.ts'
import { DEVICES } from './host-allowlist.ts'
import type { RunCgroup } from './cgroup.ts'
import { dotfileSteps, homeToolSteps, hostRootSteps, OWN_FOLDER, SANDBOX_HOME } from './host-root.ts'
import type { Identity } from './identity.ts'
import { idMapFor } from './identity.ts'
import type { LaunchPlan, LaunchPrologue, StageStep } from './plan.ts'
import { limitsWithoutCgroup } from './rlimits.ts'
import type { RunFolder } from './run-folder.ts'
import { sandboxPath } from './search-path.ts'
import { LOWER_MOUNT, RUN_MOUNT, runDir, WORKSPACE, workspaceSteps } from './workspace-steps.ts'

export interface PlanInput {
  readonly spec: RunSpec
  readonly io: RunIo
  readonly folder: RunFolder
  readonly cgroup: RunCgroup | undefined
  readonly identity: Identity
  readonly home: string
  readonly bwrapPath: string
  /** Base64. */
  readonly seccomp: string
}

/** What every sandbox has, whatever runs in it: the helper builds it while the rest is still being decided. */
export function launchPrologue(input: { readonly stage: string; readonly helperPath: string; readonly terminal: boolean }): LaunchPrologue {
  const dir = (target: string): StageStep => ({ kind: 'dir', target, mode: 0o755 })
  const mounts: StageStep[] = [
    ...['etc', 'etc/ssl', 'home', 'media', 'mnt', 'opt', 'root', 'run', 'srv', 'var', 'dev', OWN_FOLDER].map((name) => dir(name)),
    // bubblewrap needs the host's to start; it mounts the sandbox's own over it.
    { kind: 'bind', source: '/proc', target: 'proc' },
    ...deviceSteps(input.terminal),
    { kind: 'file', target: EMPTY_PATH.slice(1), data: '', mode: 0o444 },
    { kind: 'symlink', target: 'var/tmp', data: '/tmp' },
    { kind: 'symlink', target: 'var/run', data: '/run' },
    { kind: 'bind', source: input.helperPath, target: INIT_PATH.slice(1), readOnly: true },
    ...hostRootSteps(),
  ]
  return { stage: input.stage, mounts }
}

/** A small /dev: a few harmless devices, terminals of its own, and the run's terminal where it has one. */
function deviceSteps(terminal: boolean): StageStep[] {
  const link = (name: string, data: string): StageStep => ({ kind: 'symlink', target: `dev/${name}`, data })
  return [
    ...DEVICES.map((name): StageStep => ({ kind: 'bind', source: `/dev/${name}`, target: `dev/${name}`, devices: true })),
    { kind: 'devpts', target: 'dev/pts' },
    link('ptmx', 'pts/ptmx'),
    link('fd', '/proc/self/fd'),
    link('stdin', '/proc/self/fd/0'),
    link('stdout', '/proc/self/fd/1'),
    link('stderr', '/proc/self/fd/2'),
    ...(terminal ? [{ kind: 'console', target: 'dev/console' } as const] : []),
  ]
}

/** Everything else the launch helper shall do for one run. Pure but for looking at which tool folders exist. */
export function launchPlan(input: PlanInput): LaunchPlan {
  const { spec, identity } = input
  const tools = homeToolSteps(input.home)
  const project = spec.workspace?.hostPath
  const path = sandboxPath({ callerPath: spec.callerPath, home: input.home, toolFolders: tools.folders, project })
  const workspace = workspaceSteps(spec.workspace, spec.permissions.readOnlyRoot)
  const terminal = input.io.terminal !== undefined
  const env = { HOME: spec.permissions.readOnlyRoot ? '/tmp' : SANDBOX_HOME, PATH: path, ...spec.env }
  return {
    cgroupProcs: input.cgroup?.procs ?? [],
    mounts: [...ownSteps(input), ...tools.steps, ...homeSteps(input), ...workspace].map((step) => withRunFolder(step, input.folder.path)),
    terminal,
    ...(identity.dropTo === undefined ? {} : { dropTo: identity.dropTo, idMap: idMapFor(identity.dropTo.uid, ownerOf(project)) }),
    detach: spec.workspace?.mode === 'copy' ? [RUN_MOUNT, LOWER_MOUNT] : [RUN_MOUNT],
    bwrap: input.bwrapPath,
    args: bwrapArgs({ terminal }),
    seccomp: input.seccomp,
    init: INIT_PATH,
    spec: {
      limits: input.cgroup === undefined ? limitsWithoutCgroup(spec.permissions) : [],
      argv: spec.command,
      env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      cwd: spec.cwd ?? WORKSPACE,
      terminal,
    },
  }
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

/** Folders with limits of this run. */
function ownSteps({ spec: { permissions } }: PlanInput): StageStep[] {
  return [
    { kind: 'bind', source: '@run', target: RUN_MOUNT },
    { kind: 'tmpfs', target: 'dev/shm', mode: 0o1777, size: permissions.tmpBytes, noExec: true },
    { kind: 'tmpfs', target: 'tmp', mode: 0o1777, size: permissions.tmpBytes, noExec: !permissions.tmpExec },
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

const ownerOf = (path: string | undefined): number => (path === undefined ? 0 : statSync(path).uid)
