import { statSync } from 'node:fs'
import type { RunIo } from '../../contract/run.ts'
import type { RunSpec } from '../driver.ts'
import { bwrapArgs, INIT_PATH } from './bwrap-args.ts'
import type { RunCgroup } from './cgroup.ts'
import { dotfileSteps, homeToolSteps, hostRootSteps, ROOT, SANDBOX_HOME } from './host-root.ts'
import type { Identity } from './identity.ts'
import { idMapFor } from './identity.ts'
import type { LaunchPlan, StageStep } from './plan.ts'
import { limitsWithoutCgroup } from './rlimits.ts'
import type { RunFolder } from './run-folder.ts'
import { sandboxPath } from './search-path.ts'
import { RUN_MOUNT, WORKSPACE, workspaceSteps } from './workspace-steps.ts'

export interface PlanInput {
  readonly spec: RunSpec
  readonly io: RunIo
  readonly folder: RunFolder
  readonly cgroup: RunCgroup | undefined
  readonly identity: Identity
  readonly home: string
  readonly helperPath: string
  readonly bwrapPath: string
  readonly seccomp: Uint8Array
  /** False: the kernel has no overlay for us, so the project is copied. */
  readonly overlay: boolean
}

/** Everything the launch helper shall do for one run. Pure but for looking at which host folders exist. */
export function launchPlan(input: PlanInput): LaunchPlan {
  const { spec, identity } = input
  const stage = stageFolder()
  const tools = homeToolSteps(input.home)
  const project = spec.workspace?.hostPath
  const path = sandboxPath({ callerPath: spec.callerPath, home: input.home, toolFolders: tools.folders, project })
  const steps = [...ownFolders(input), ...hostRootSteps(), ...tools.steps, ...homeSteps(input)]
  const workspace = workspaceSteps(spec.workspace, { readOnlyRoot: spec.permissions.readOnlyRoot, overlay: input.overlay })
  const home = spec.permissions.readOnlyRoot ? '/tmp' : SANDBOX_HOME
  const env = { HOME: home, USER: 'user', LOGNAME: 'user', SHELL: '/bin/sh', PATH: path, ...spec.env }
  return {
    parentPid: process.pid,
    cgroupProcs: input.cgroup?.procs ?? [],
    limits: input.cgroup === undefined ? limitsWithoutCgroup(spec.permissions) : [],
    stage,
    mounts: [...steps, ...workspace].map((step) => withRunFolder(step, input.folder.path)),
    ...(identity.dropTo === undefined ? {} : { dropTo: identity.dropTo, idMap: idMapFor(identity.dropTo.uid, ownerOf(project)) }),
    bwrap: input.bwrapPath,
    args: bwrapArgs({ stage, terminal: input.io.terminal !== undefined }),
    seccomp: Buffer.from(input.seccomp).toString('base64'),
    init: INIT_PATH,
    spec: {
      argv: spec.command,
      env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      cwd: spec.cwd ?? WORKSPACE,
      terminal: input.io.terminal !== undefined,
    },
  }
}

/** An existing folder that every identity may pass through; covered only in the sandbox's own mount namespace. */
function stageFolder(): string {
  return ['/mnt', '/media', '/srv'].find((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) ?? '/tmp'
}

/** Folders and limits every sandbox has, whatever its root. */
function ownFolders({ spec, helperPath }: PlanInput): StageStep[] {
  const { permissions } = spec
  const dir = (name: string, mode = 0o755): StageStep => ({ kind: 'dir', target: `${ROOT}/${name}`, mode })
  return [
    { kind: 'bind', source: '@run', target: RUN_MOUNT },
    { kind: 'file', target: 'empty', data: '', mode: 0o444 },
    { kind: 'tmpfs', target: 'shm', mode: 0o1777, size: permissions.tmpBytes, noExec: true },
    ...['proc', 'dev', 'run', 'root', 'var', 'home', 'etc', 'opt', 'srv', 'mnt', 'media'].map((name) => dir(name)),
    { kind: 'tmpfs', target: `${ROOT}/tmp`, mode: 0o1777, size: permissions.tmpBytes, noExec: !permissions.tmpExec },
    { kind: 'symlink', target: `${ROOT}/var/tmp`, data: '/tmp' },
    { kind: 'symlink', target: `${ROOT}/var/run`, data: '/run' },
    { kind: 'bind', source: helperPath, target: ROOT + INIT_PATH, readOnly: true },
  ]
}

/** The sandbox's own home: on disk and writable, except in a read-only sandbox, whose home is /tmp. */
function homeSteps({ spec, home }: PlanInput): StageStep[] {
  if (spec.permissions.readOnlyRoot) return [{ kind: 'dir', target: ROOT + SANDBOX_HOME, mode: 0o755 }]
  const own: StageStep = { kind: 'bind', source: '@run/home', target: ROOT + SANDBOX_HOME }
  return spec.permissions.mountHome ? [own, ...dotfileSteps(home)] : [own]
}

function withRunFolder(step: StageStep, folder: string): StageStep {
  return step.source?.startsWith('@run') === true ? { ...step, source: folder + step.source.slice('@run'.length) } : step
}

const ownerOf = (path: string | undefined): number => (path === undefined ? 0 : statSync(path).uid)
