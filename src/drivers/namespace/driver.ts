import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../contract/errors.ts'
import type { RunIo } from '../../contract/run.ts'
import type { Driver, DriverFacts, PreparedRun, RunOutcome, RunPlace, RunSpec, SandboxVerbs } from '../driver.ts'
import { isErrno } from '../../lib/errno.ts'
import { ignore } from '../../lib/ignore.ts'
import { cannotStart } from '../shared/start-failure.ts'
import { releaseCrashed, RunCgroup } from './cgroup.ts'
import { identityFor } from './identity.ts'
import { homeToolFolders } from './host-root.ts'
import { launchPlan } from './launch-plan.ts'
import { launchPrologue, ownerOf, type PrologueFacts } from './launch-prologue.ts'
import { type LaunchedRun, Launcher } from './launch.ts'
import { Machine, type NamespaceDriverOptions } from './machine.ts'
import { egressOf, networkNotices } from './network.ts'
import { outcomeOf } from './outcome.ts'
import { abandonedRuns, countChanges, createRunFolder, removeRunFolder, type RunFolder } from './run-folder.ts'
import { limitNotices } from './rlimits.ts'
import { seccompProgram } from './seccomp-program.ts'

/** A run whose helper is at work, and what it was told. */
interface Begun extends PrologueFacts {
  readonly launcher: Launcher
}

/** Changed files beyond this number are reported as this number. */
const MOST_CHANGES = 10_000

/** How often a group is tried that is still emptying, and how long between two tries, in ms. */
const RELEASE_TRIES = 25
const RELEASE_PAUSE_MS = 2

/** Sandboxes made of Linux namespaces: no daemon, no root, no image needed. */
export class NamespaceDriver implements Driver {
  readonly name = 'namespace'
  readonly sandboxes?: SandboxVerbs
  readonly #options: NamespaceDriverOptions
  readonly #machine: Machine

  /** `keep` makes the verbs for sandboxes that stay; without it there are only single runs. */
  constructor(options: NamespaceDriverOptions, keep?: (machine: Machine) => SandboxVerbs) {
    this.#options = options
    this.#machine = new Machine(options)
    if (keep !== undefined) this.sandboxes = keep(this.#machine)
  }

  get facts(): DriverFacts {
    const limits = this.#machine.cgroups.writable() ? 'enforced' : 'best-effort'
    return { isolation: 'container', egress: this.#machine.egress(), commandNetworks: true, limits, hostRoot: true, runPorts: true }
  }

  async probe(signal: AbortSignal) {
    const { probeNamespaces } = await import('./probe.ts')
    return probeNamespaces({ options: this.#options, driver: this, cgroups: this.#machine.cgroups, signal })
  }

  readonly runOnce = (spec: RunSpec, io: RunIo, signal: AbortSignal): Promise<RunOutcome> =>
    this.#run(this.#begin(io, { id: spec.id, cwd: spec.workspace?.hostPath }), spec, io, signal)

  readonly prepareRun = (io: RunIo, place: RunPlace): PreparedRun => {
    // A terminal changes hands when the helper starts, so that waits until it is certain.
    const begun = io.terminal === undefined && existsSync(this.#options.helperPath) ? this.#begin(io, place) : undefined
    return {
      run: (spec, signal) => this.#run(begun ?? this.#begin(io, { id: spec.id, cwd: spec.workspace?.hostPath }), spec, io, signal),
      discard: async () => begun?.launcher.discard(),
    }
  }

  /** Starts the helper on what every sandbox has. */
  #begin(io: RunIo, { id, cwd }: RunPlace): Begun {
    const { helperPath, home } = this.#options
    const stage = this.#machine.stage(cwd === undefined ? [] : [cwd])
    const asRoot = this.#machine.asRoot()
    this.#machine.beforeLaunch()
    const identity = identityFor(id, asRoot)
    const owner = ownerOf(cwd)
    const tools = homeToolFolders(home)
    try {
      const prologue = launchPrologue({ stage, terminal: io.terminal !== undefined, identity, owner, tools })
      return { launcher: new Launcher({ path: helperPath, asRoot }, prologue, io), identity, owner, tools }
    } catch (error) {
      throw cannotStart(helperPath, error)
    }
  }

  async #run(begun: Begun, spec: RunSpec, io: RunIo, signal: AbortSignal): Promise<RunOutcome> {
    let folder: RunFolder | undefined
    let group: RunCgroup | undefined
    let sent = false
    try {
      if (spec.image !== 'host') throw new AppError('not_available_yet', `the image "${spec.image}" cannot be used yet; only "host" can`)
      const bwrapPath = this.#machine.requireBubblewrap()
      const seccomp = await seccompProgram(
        spec.permissions.seccomp,
        this.#options.arch,
        spec.network !== undefined || spec.ports !== undefined,
      )
      folder = this.#createFolder(spec.id)
      group = this.#createGroup(folder, spec)
      const { home, helperPath } = this.#options
      const plan = launchPlan({ spec, io, folder, cgroup: group, begun, home, helperPath, bwrapPath, seccomp })
      sent = true
      const run = await begun.launcher.run(plan, spec, signal)
      return this.#outcome(run, spec, folder, group)
    } finally {
      if (!sent) await begun.launcher.discard()
      const released = group === undefined || (await releaseSoon(group))
      if (folder !== undefined && released) removeRunFolder(folder.path)
    }
  }

  #outcome(run: LaunchedRun, spec: RunSpec, folder: RunFolder, group: RunCgroup | undefined): RunOutcome {
    const ended = outcomeOf(run.lines, run.stopReason, spec, group?.usage())
    const notices = [...ended.notices, ...limitNotices(run.lines, group), ...networkNotices(run.lines, spec.network)]
    const outcome = { ...ended, egress: egressOf(run.lines, spec.network), notices }
    if (spec.workspace?.mode !== 'copy') return outcome
    const copied = run.lines.find((line) => line.copied === true)
    if (copied !== undefined) {
      return {
        ...outcome,
        notices: [
          ...outcome.notices,
          `the project was copied, which is slow, because the ${copied.step ?? 'overlay'} did not work here: ${copied.detail ?? 'unknown reason'}.`,
        ],
      }
    }
    const ours = spec.workspace.hidden.length + spec.workspace.replaced.length
    const changes = countChanges(join(folder.path, 'upper'), MOST_CHANGES + ours)
    return { ...outcome, changedFiles: Math.max(0, changes - ours) }
  }

  async recover(signal: AbortSignal): Promise<number> {
    const runsDir = join(this.#options.dataDir, 'runs')
    const roots = this.#machine.cgroups.roots()
    let cleaned = 0
    for (const name of abandonedRuns(runsDir)) {
      signal.throwIfAborted()
      // Without its folder nothing would ever look for a group again.
      if (roots !== undefined && !releaseCrashed(roots, name)) continue
      try {
        removeRunFolder(join(runsDir, name))
        cleaned++
      } catch (error) {
        ignore(error, 'one folder that cannot be removed does not keep the others; the next run tries again')
      }
    }
    return cleaned
  }

  #createFolder(id: string): RunFolder {
    const runsDir = join(this.#options.dataDir, 'runs')
    try {
      return createRunFolder(runsDir, id)
    } catch (error) {
      if (isErrno(error, 'ENOSPC', 'EDQUOT')) throw new AppError('disk_full', `no space left in ${runsDir}`, { cause: error })
      throw new AppError(
        'sandbox_start_failed',
        `cannot make a folder in ${runsDir}: ${error instanceof Error ? error.message : String(error)}`,
        {
          cause: error,
          fix: 'Make the folder writable, or point XDG_DATA_HOME to one that is.',
        },
      )
    }
  }

  /** The control group of a run; undefined where we may not make one, and then limits hold for each process. */
  #createGroup(folder: RunFolder, spec: RunSpec): RunCgroup | undefined {
    const roots = this.#machine.cgroups.roots()
    if (roots === undefined) return undefined
    try {
      return RunCgroup.create(roots, folder.name, spec.permissions)
    } catch (error) {
      if (!isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'EBUSY', 'ENOENT')) throw error
      return undefined
    }
  }
}

/** The kernel takes a process out of its group a moment after its end was reported. False: not soon enough; a later run removes it. */
async function releaseSoon(group: RunCgroup): Promise<boolean> {
  for (let left = RELEASE_TRIES; left > 0; left--) {
    if (group.release()) return true
    await Bun.sleep(RELEASE_PAUSE_MS)
  }
  return group.release()
}
