import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, renameSync } from 'node:fs'
import { dirname } from 'node:path'
import { AppError } from '../../contract/errors.ts'
import { isErrno } from '../../lib/errno.ts'
import { ignore } from '../../lib/ignore.ts'
import type { GuestAddress, ResourceLimits, SandboxEgress, SandboxHandle, SandboxSpec, SandboxUsage, SandboxVerbs } from '../driver.ts'
import { copyProject, type Owner, removeFolder } from './keep-helper.ts'
import { isAlive } from './process.ts'
import {
  claimRuntimeFolder,
  dropAbandoned,
  egressIn,
  findRuntimeFolder,
  removeRuntimeFolder,
  runtimeOwners,
  socketIn,
} from './runtime-folder.ts'
import {
  isMade,
  type Live,
  readLive,
  removeLive,
  type SandboxFolder,
  sandboxesDir,
  sandboxFolder,
  sandboxIds,
  writeLive,
} from './sandbox-folder.ts'
import { endShim, type ShimOrders, type ShimRestart, startShim } from './shim.ts'
import type { StatusLine } from './status-lines.ts'

/** Where sandboxes that stay are, and who looks after them. */
export interface KeeperOptions {
  /** Sandboxes are below `sandboxes/`. */
  readonly dataDir: string
  /** Folders for sockets are made here. */
  readonly runtimeDir: string
  readonly helperPath: string
  readonly version: string
  readonly restart?: ShimRestart
}

/** What a driver adds to what every sandbox that stays has in common. `groups` in it is the driver's own, kept as JSON. */
export interface Isolation {
  readonly driver: string
  /** Errors: `not_available_yet` for what this driver cannot do. */
  readonly check: (spec: SandboxSpec) => void
  /** Whose the files of a new sandbox are; undefined: ours. `taken` are the users that have one. */
  readonly newOwner: (id: string, taken: () => ReadonlySet<number>) => Owner | undefined
  /** What every command in it gets. */
  readonly guest: (spec: SandboxSpec, folder: SandboxFolder) => NonNullable<SandboxHandle['guest']>
  readonly begin: (start: IsolationStart) => Promise<BegunIsolation>
  readonly limits: GroupVerbs
}

export interface IsolationStart {
  readonly spec: SandboxSpec
  readonly folder: SandboxFolder
  readonly owner: Owner
  /** To be called before groups are made: should we die before we are done, they can be found. */
  readonly intend: (groups: unknown) => void
}

/** What has been made for a start, and how the sandbox is to be started. */
export interface BegunIsolation {
  readonly orders: Pick<ShimOrders, 'mode' | 'prologue' | 'plan' | 'agent_spec' | 'network'>
  readonly groups?: unknown
  /** Called with what was reported on the way, when it runs: what holds after all, and what the user should know. */
  readonly settle: (lines: readonly StatusLine[]) => {
    readonly groups?: unknown
    /** @default 'none' */
    readonly egress?: SandboxEgress
    readonly notices: readonly string[]
  }
}

/** What a driver does with its control groups. */
export interface GroupVerbs {
  /** Ends what is left in the groups and removes them, also those that only the id tells of. Resolves also when there are none. */
  readonly release: (id: string, groups: readonly unknown[]) => Promise<void>
  /** Ids of sandboxes that have groups. */
  readonly ids: () => string[]
  readonly usage: (groups: unknown) => SandboxUsage
  /** Errors: `not_available_yet`, `invalid_argument`. */
  readonly resize?: (groups: unknown, limits: ResourceLimits) => void
}

/** Of `state`. */
const HANDLE_VERSION = 1
/** Who runs a sandbox that is only about to be started. */
const NOBODY = { pid: 0, start_time: '0', boot_id: '' } as const
/** How often a folder is tried to be removed while processes that were killed still end. */
const REMOVE_TRIES = 40
const REMOVE_PAUSE_MS = 50

/** `state` of a handle. */
interface State {
  readonly uid?: number
  readonly gid?: number
  readonly live?: Live | undefined
}

/** The verbs for sandboxes that stay, on top of a way to isolate. What is true is on disk, in the sandbox's folder; handles only repeat it. */
export class SandboxKeeper implements SandboxVerbs {
  readonly #options: KeeperOptions
  readonly #isolation: Isolation
  /** Users that sandboxes have, by id; looked up on disk when the first is needed. */
  #users: Map<string, number> | undefined

  constructor(options: KeeperOptions, isolation: Isolation) {
    this.#options = options
    this.#isolation = isolation
    const { resize } = isolation.limits
    if (resize !== undefined) this.resize = async (handle, limits) => resize(this.#liveOf(handle)?.groups, limits)
  }

  readonly resize?: NonNullable<SandboxVerbs['resize']>

  plan({ id }: SandboxSpec): SandboxHandle {
    return { driver: this.#isolation.driver, version: HANDLE_VERSION, id, state: {} }
  }

  async create(handle: SandboxHandle, spec: SandboxSpec, signal: AbortSignal): Promise<SandboxHandle> {
    this.#isolation.check(spec)
    const folder = this.#folder(handle.id)
    try {
      mkdirSync(sandboxesDir(this.#options.dataDir), { recursive: true, mode: 0o700 })
      mkdirSync(folder.path, { recursive: true, mode: 0o700 })
      const owner = this.#ownerFor(handle)
      makeOwned(folder.home, owner)
      mkdirSync(folder.log, { recursive: true, mode: 0o700 })
      if (!isMade(folder)) await this.#makeWorkspace(folder, spec, owner, signal)
      return { ...handle, guest: this.#isolation.guest(spec, folder), state: { ...handle.state, ...owner } }
    } catch (error) {
      throw makeFailure(error, folder.path)
    }
  }

  async start(handle: SandboxHandle, spec: SandboxSpec, signal: AbortSignal): Promise<SandboxHandle> {
    this.#isolation.check(spec)
    const folder = this.#folder(handle.id)
    const before = readLive(folder)
    if (before?.ready === true && isAlive(before)) return { ...withState(handle, { live: before }), egress: before.egress ?? 'none' }
    if (!isMade(folder)) throw new AppError('sandbox_start_failed', `the files of sandbox "${spec.name}" are gone`)
    await this.#end(handle, 0)
    try {
      return await this.#run(handle, spec, folder, signal)
    } catch (error) {
      await this.#end(handle, 0)
      throw makeFailure(error, folder.path)
    }
  }

  async stop(handle: SandboxHandle, graceMs: number, signal: AbortSignal): Promise<SandboxHandle> {
    if (signal.aborted) throw new AppError('canceled', 'the request was given up')
    await this.#end(handle, graceMs)
    return withState(handle, { live: undefined })
  }

  async destroy(handle: SandboxHandle, signal: AbortSignal): Promise<void> {
    await this.#end(handle, 0)
    const { path } = this.#folder(handle.id)
    for (let left = REMOVE_TRIES; existsSync(path); left--) {
      try {
        await removeFolder(this.#options.helperPath, path, signal)
      } catch (error) {
        if (left === 0 || signal.aborted) throw error
        ignore(error, 'what was killed a moment ago may still write')
        await Bun.sleep(REMOVE_PAUSE_MS)
      }
    }
    this.#users?.delete(handle.id)
  }

  connect(handle: SandboxHandle): GuestAddress {
    const { live } = stateOf(handle)
    if (live === undefined) throw new AppError('sandbox_not_running', `sandbox ${handle.id} does not run`)
    const { runtime_dir, egress = 'none' } = live
    return { socketPath: socketIn(runtime_dir), ...(egress === 'none' ? {} : { egressPath: egressIn(runtime_dir) }) }
  }

  async inspect(handle: SandboxHandle): Promise<'running' | 'stopped' | 'gone'> {
    const live = this.#liveOf(handle)
    if (live !== undefined && isAlive(live)) return 'running'
    return isMade(this.#folder(handle.id)) ? 'stopped' : 'gone'
  }

  async sweep(isKnown: (id: string) => boolean, signal: AbortSignal): Promise<number> {
    const { dataDir, runtimeDir } = this.#options
    const mine = sandboxesDir(dataDir)
    const sockets = runtimeOwners(runtimeDir).filter(({ folder }) => dirname(folder) === mine)
    const ids = new Set([...sandboxIds(dataDir), ...sockets.map(({ sandbox }) => sandbox), ...this.#isolation.limits.ids()])
    dropAbandoned(runtimeDir)
    let swept = 0
    for (const id of ids) {
      signal.throwIfAborted()
      if (isKnown(id)) continue
      try {
        await this.destroy({ driver: this.#isolation.driver, version: HANDLE_VERSION, id, state: {} }, signal)
        swept++
      } catch (error) {
        ignore(error, 'one that cannot be removed does not keep the others; the next sweep tries again')
      }
    }
    return swept
  }

  usage(handle: SandboxHandle): SandboxUsage {
    const live = stateOf(handle).live ?? readLive(this.#folder(handle.id))
    return live === undefined ? {} : this.#isolation.limits.usage(live.groups)
  }

  #folder(id: string): SandboxFolder {
    return sandboxFolder(this.#options.dataDir, id)
  }

  /** Who runs it, as the disk says; a handle may know of one whose folder somebody removed. */
  #liveOf(handle: SandboxHandle): Live | undefined {
    return readLive(this.#folder(handle.id)) ?? stateOf(handle).live
  }

  async #makeWorkspace(folder: SandboxFolder, { workspace }: SandboxSpec, owner: Owner, signal: AbortSignal): Promise<void> {
    const { helperPath } = this.#options
    // What an interrupted copy left is not worth looking through.
    if (existsSync(folder.fresh)) await removeFolder(helperPath, folder.fresh, signal)
    if (workspace === undefined) makeOwned(folder.fresh, owner)
    else await copyProject(helperPath, workspace, folder.fresh, owner, signal)
    renameSync(folder.fresh, folder.upper)
  }

  /** The owner a sandbox has, or one for a new sandbox. It is chosen and written down in one go, so that no two get the same. */
  #ownerFor({ id }: SandboxHandle): Owner {
    const users = (this.#users ??= this.#usersOnDisk())
    const has = users.get(id)
    const owner = has === undefined ? this.#isolation.newOwner(id, () => new Set(users.values())) : { uid: has, gid: has }
    if (owner === undefined) return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
    users.set(id, owner.uid)
    return owner
  }

  #usersOnDisk(): Map<string, number> {
    const users = new Map<string, number>()
    for (const id of sandboxIds(this.#options.dataDir)) {
      const info = lstatSync(this.#folder(id).home, { throwIfNoEntry: false })
      if (info !== undefined && this.#isolation.newOwner(id, () => new Set()) !== undefined) users.set(id, info.uid)
    }
    return users
  }

  async #run(handle: SandboxHandle, spec: SandboxSpec, folder: SandboxFolder, signal: AbortSignal): Promise<SandboxHandle> {
    const { runtimeDir, helperPath, version, restart } = this.#options
    const owner = this.#ownerFor(handle)
    const runtime = claimRuntimeFolder(runtimeDir, { sandbox: handle.id, folder: folder.path })
    const intend = (groups: unknown): void => writeLive(folder, { ...NOBODY, runtime_dir: runtime, ready: false, groups })
    const begun = await this.#isolation.begin({ spec, folder, owner, intend })
    const orders: ShimOrders = {
      runtime_dir: runtime,
      log_dir: folder.log,
      sandbox: handle.id,
      helper: helperPath,
      ...begun.orders,
      ...(restart === undefined ? {} : { restart }),
      version,
    }
    let live: Live | undefined
    const lines = await startShim({
      orders,
      signal,
      onSpawned: (who) => {
        live = { ...who, runtime_dir: runtime, ready: false, groups: begun.groups }
        writeLive(folder, live)
      },
    })
    const { groups, egress = 'none', notices } = begun.settle(lines)
    // It was written before the shim had its orders.
    const ready = { ...live!, groups, egress, ready: true }
    writeLive(folder, ready)
    // The network may be another than when it was made.
    return { ...withState(handle, { ...owner, live: ready }), guest: this.#isolation.guest(spec, folder), egress, notices }
  }

  /** Ends everything of it, whoever started it, and leaves its files. */
  async #end(handle: SandboxHandle, graceMs: number): Promise<void> {
    const { runtimeDir, helperPath, version } = this.#options
    const folder = this.#folder(handle.id)
    const known = [readLive(folder), stateOf(handle).live].filter((live) => live !== undefined)
    for (const live of known) await endShim(helperPath, live, graceMs, version)
    await this.#isolation.limits.release(
      handle.id,
      known.flatMap(({ groups }) => groups ?? []),
    )
    const owner = { sandbox: handle.id, folder: folder.path }
    // Who started it may have had another runtime folder.
    for (const { runtime_dir } of known) removeRuntimeFolder(runtime_dir, owner)
    const runtime = findRuntimeFolder(runtimeDir, owner)
    if (runtime !== undefined) removeRuntimeFolder(runtime, owner)
    // Last: until here it tells what there is to end.
    removeLive(folder)
  }
}

/** Makes a folder that belongs to the sandbox, or mends one that was half made. */
function makeOwned(path: string, { uid, gid }: Owner): void {
  mkdirSync(path, { recursive: true })
  // Whatever our mask is.
  chmodSync(path, 0o755)
  chownSync(path, uid, gid)
}

const stateOf = (handle: SandboxHandle): State => handle.state as State

function withState(handle: SandboxHandle, change: State): SandboxHandle {
  const { notices: _, ...rest } = handle
  return { ...rest, state: { ...handle.state, ...change } }
}

function makeFailure(error: unknown, path: string): unknown {
  if (isErrno(error, 'ENOSPC', 'EDQUOT')) return new AppError('disk_full', `no space left in ${path}`, { cause: error })
  if (isErrno(error, 'EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'EEXIST')) {
    return new AppError('sandbox_start_failed', `cannot make the folder ${path}: ${error instanceof Error ? error.message : ''}`, {
      cause: error,
      fix: 'Make the folder writable, or point XDG_DATA_HOME to one that is.',
    })
  }
  return error
}
