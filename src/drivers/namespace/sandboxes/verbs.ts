import { AppError } from '../../../contract/errors.ts'
import type { SandboxSpec, SandboxVerbs } from '../../driver.ts'
import { type BegunIsolation, type Isolation, type IsolationStart, type KeeperOptions, SandboxKeeper } from '../../shared/sandbox-keeper.ts'
import { homeToolFolders } from '../host-root.ts'
import { keptIdentity } from '../identity.ts'
import { homeIn } from '../launch-plan.ts'
import { launchPrologue, ownerOf } from '../launch-prologue.ts'
import type { Machine, NamespaceDriverOptions } from '../machine.ts'
import { egressOf, networkNotices } from '../network.ts'
import { limitNotices } from '../rlimits.ts'
import { sandboxPath } from '../search-path.ts'
import { seccompProgram } from '../seccomp-program.ts'
import { WORKSPACE } from '../workspace-steps.ts'
import { SandboxGroups } from './groups.ts'
import { sandboxPlan } from './plan.ts'

/** Sandboxes of Linux namespaces that stay. */
export function createSandboxVerbs(
  options: NamespaceDriverOptions,
  keep: Pick<KeeperOptions, 'runtimeDir' | 'version' | 'restart'>,
  machine: Machine,
): SandboxVerbs {
  const groups = new SandboxGroups(machine.cgroups, options.dataDir)
  const isolation: Isolation = {
    driver: 'namespace',
    check: checkImage,
    newOwner: (id, taken) => keptIdentity(id, machine.asRoot(), taken),
    guest: (spec) => guestOf(spec, options.home),
    begin: (start) => begin(start, { options, machine, groups, version: keep.version }),
    limits: groups,
  }
  return new SandboxKeeper({ dataDir: options.dataDir, helperPath: options.helperPath, ...keep }, isolation)
}

function checkImage({ image }: SandboxSpec): void {
  if (image !== 'host') throw new AppError('not_available_yet', `the image "${image}" cannot be used yet; only "host" can`)
}

function guestOf(spec: SandboxSpec, home: string): { env: Record<string, string>; cwd: string } {
  const project = spec.workspace?.hostPath
  const path = sandboxPath({ callerPath: spec.callerPath, home, toolFolders: homeToolFolders(home), project })
  return { env: { HOME: homeIn(spec.permissions), PATH: path, ...spec.network?.env }, cwd: WORKSPACE }
}

interface Tools {
  readonly options: NamespaceDriverOptions
  readonly machine: Machine
  readonly groups: SandboxGroups
  readonly version: string
}

async function begin(
  { spec, folder, owner, intend }: IsolationStart,
  { options, machine, groups, version }: Tools,
): Promise<BegunIsolation> {
  const { helperPath, home } = options
  const { permissions } = spec
  const bwrapPath = machine.requireBubblewrap()
  const seccomp = await seccompProgram(permissions.seccomp, options.arch, spec.network !== undefined || spec.inbound === true)
  const stage = machine.stage([])
  const asRoot = machine.asRoot()
  machine.beforeLaunch()
  const dropTo = asRoot ? owner : undefined
  const planned = groups.plan(spec.id)
  if (planned !== undefined) intend(planned)
  const group = planned === undefined ? undefined : groups.create(planned, permissions)
  const prologue = launchPrologue({
    stage,
    terminal: false,
    hostName: spec.name,
    identity: { dropTo },
    // Tools are the home's, and shown as the sandbox's own.
    owner: ownerOf(home),
    tools: homeToolFolders(home),
  })
  return {
    orders: {
      mode: asRoot ? 'launch-as-root' : 'launch-as-user',
      prologue,
      plan: sandboxPlan({ spec, folder, dropTo, cgroup: group, home, helperPath, bwrapPath, seccomp, version }),
      network: spec.network !== undefined,
    },
    ...(group === undefined ? {} : { groups: planned }),
    settle: (lines) => {
      const grouped = group !== undefined && !lines.some((line) => line.ungrouped === true)
      return {
        ...(grouped ? { groups: planned } : {}),
        egress: egressOf(lines, spec.network),
        notices: [...limitNotices(lines, group), ...networkNotices(lines, spec.network)],
      }
    },
  }
}
