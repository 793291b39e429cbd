import type { Isolation } from '../contract/isolation.ts'
import type { Permissions } from '../contract/permissions.ts'
import type { RunIo } from '../contract/run.ts'
import type { Secret } from '../lib/secret.ts'

/**
 * The driver contract: what a way to isolate must do, may do, and says of itself.
 *
 * A driver is a folder beside this file. It imports `contract`, `lib`, `policy` and `drivers/shared`, never another
 * driver, the engine or the store. Its life: `probe` tells whether it works here; `runOnce` isolates one command and
 * leaves nothing behind; `recover` repairs what a crash of ours left. `sandboxes` are the verbs for sandboxes that stay.
 */
export interface Driver {
  /** The name a user gives with `--backend`. */
  readonly name: string
  readonly facts: DriverFacts

  /**
   * Finds out by doing whether sandboxes can be made here. Never throws; costs up to `signal`'s limit.
   * Safe to repeat; leaves nothing behind.
   */
  probe(signal: AbortSignal): Promise<ProbeReport>

  /**
   * Runs one command in a fresh sandbox and resolves when it has ended and every trace is gone: processes, mounts,
   * cgroups, files. Aborting `signal` kills the sandbox and resolves with `canceled`.
   * Errors: `backend_unavailable`, `command_not_found`, `command_not_executable`, `workdir_not_found`,
   * `sandbox_start_failed`, `disk_full`. A command that fails is a result, not an error.
   */
  readonly runOnce?: (spec: RunSpec, io: RunIo, signal: AbortSignal) => Promise<RunOutcome>

  /**
   * Begins a run before it is known what will run, so that the two happen at once. Optional: `runOnce` does the same by
   * itself. The run that is returned must be used or discarded, once. Errors: those of `runOnce`, from `run`.
   */
  readonly prepareRun?: (io: RunIo, place: RunPlace) => PreparedRun

  /**
   * Removes what runs of a crashed process left: run directories, cgroups. Never touches a live run.
   * Idempotent; resolves with the number of runs cleaned.
   */
  recover(signal: AbortSignal): Promise<number>

  /** Sandboxes that stay; undefined = this driver has only single runs. */
  readonly sandboxes?: SandboxVerbs
}

/**
 * The life of a sandbox that stays. Every verb may be repeated, also after a crash in the middle of it, and is called for one sandbox by one
 * caller at a time. The engine saves the handle before and after each; a handle of an older `version` is still understood.
 */
export interface SandboxVerbs {
  /** The handle a sandbox will have, before anything of it exists, so that it can be saved first. Pure. */
  plan(spec: SandboxSpec): SandboxHandle

  /**
   * Makes what lasts: folders, the private copy of the project. Starts nothing. Repeating it finishes what is missing.
   * Errors: `sandbox_start_failed`, `disk_full`, `not_available_yet` (an image this driver cannot use), `canceled`.
   */
  create(handle: SandboxHandle, spec: SandboxSpec, signal: AbortSignal): Promise<SandboxHandle>

  /**
   * Starts it and resolves when its agent answers. Starting one that runs resolves with its handle.
   * Errors: those of `create`, `backend_unavailable`.
   */
  start(handle: SandboxHandle, spec: SandboxSpec, signal: AbortSignal): Promise<SandboxHandle>

  /** Ends every process of it, after `graceMs` by force, and keeps its files. Resolves also when it does not run. */
  stop(handle: SandboxHandle, graceMs: number, signal: AbortSignal): Promise<SandboxHandle>

  /** Removes every trace, running or not. Resolves also when it is gone already; never throws `sandbox_not_found`. */
  destroy(handle: SandboxHandle, signal: AbortSignal): Promise<void>

  /** Where the guest protocol is spoken. Errors: `sandbox_not_running`. */
  connect(handle: SandboxHandle): GuestAddress

  /** What is true of it now, whatever happened meanwhile: crash, reboot, a pid that belongs to somebody else. Never throws. */
  inspect(handle: SandboxHandle, signal: AbortSignal): Promise<'running' | 'stopped' | 'gone'>

  /**
   * Removes what belongs to sandboxes that nobody knows; resolves with how many. For a start after a crash. `isKnown` is asked
   * after the look at what is there: a sandbox is known before anything of it exists.
   */
  sweep(isKnown: (id: string) => boolean, signal: AbortSignal): Promise<number>

  /** Changes limits of a running sandbox in place. Errors: `not_available_yet` where limits cannot be changed. */
  readonly resize?: (handle: SandboxHandle, limits: ResourceLimits, signal: AbortSignal) => Promise<void>

  /** What a running sandbox uses now; undefined fields where this machine cannot tell. */
  usage(handle: SandboxHandle): SandboxUsage
}

/** Everything a driver needs for a sandbox that stays; resolved, nothing left to default. Saved with the sandbox. */
export interface SandboxSpec {
  /** UUID; names folders and control groups. */
  readonly id: string
  /** The name people use; becomes the host name inside. */
  readonly name: string
  /** `host` or an image reference. */
  readonly image: string
  /** Copied at create; not looked at again. Undefined: an empty workspace. */
  readonly workspace: WorkspaceView | undefined
  readonly permissions: Permissions
  /** The caller's PATH, for drivers with a host root. */
  readonly callerPath: string
  /** Undefined: no network exists inside. */
  readonly network?: SandboxNetwork
  /** True: ports are published, so that servers inside must be able to listen, with or without a network. @default false */
  readonly inbound?: boolean
  /** Given to each start, and never saved. */
  readonly secretFiles?: readonly SecretFile[]
}

/**
 * What a sandbox that stays with a network is given. It is closed until a gateway connects to `GuestAddress.egressPath`, and again
 * when the gateway is gone. The files of `files` belong to whoever made the spec, and are read at every start.
 */
export type SandboxNetwork = NetworkView

/** A secret that is a file inside: in memory there, mode 0400, the sandbox's own. Never written to a disk of the host. */
export interface SecretFile {
  /** Absolute. */
  readonly path: string
  readonly content: Secret
}

/** What programs in a sandbox with a network see of it. */
export interface NetworkView {
  /**
   * False: no network device, also where one could be made; programs get a proxy on the loopback and its variables (HTTP_PROXY …).
   * @default true: a device, or the proxy where this machine gives us none
   */
  readonly tun?: boolean
  /**
   * Files shown read-only, such as certificates. `path` is absolute, without `..`; what the root has there is covered, through symlinks. Where
   * nothing is there, it is made, unless it would be in a folder of the host: then it is left out. `hostPath` is a file that
   * everybody may read; its content may be changed in place.
   */
  readonly files: readonly { readonly path: string; readonly hostPath: string }[]
  /** Variables of every command. The command's own win. */
  readonly env: Readonly<Record<string, string>>
}

/**
 * How what leaves a sandbox reaches the gateway. `enforced`: every packet does. `proxy`: only what programs send through a proxy on the
 * loopback; there is no other way out. `none`: it has no network.
 */
export type SandboxEgress = 'enforced' | 'proxy' | 'none'

/** What a driver must remember of a sandbox. JSON; `state` is the driver's own business. */
export interface SandboxHandle {
  readonly driver: string
  /** Of `state`. */
  readonly version: number
  readonly id: string
  readonly state: Readonly<Record<string, unknown>>
  /** What every command in it gets, set by `create`: search path, home, and the directory to start in. */
  readonly guest?: { readonly env: Readonly<Record<string, string>>; readonly cwd: string }
  /** Weaknesses the user should know, one sentence each. */
  readonly notices?: readonly string[]
  /** Set by `start`. */
  readonly egress?: SandboxEgress
}

/** Addresses of streams that speak the guest protocol. */
export interface GuestAddress {
  readonly socketPath: string
  /** Where a gateway connects to serve the sandbox's egress connection; undefined without a network. */
  readonly egressPath?: string
}
export interface ResourceLimits {
  readonly memoryBytes: number
  /** Cores; undefined = all. */
  readonly cpus: number | undefined
  readonly pids: number
}
export interface SandboxUsage {
  readonly memoryBytes?: number
  readonly memoryPeakBytes?: number
  readonly cpuMs?: number
  readonly processes?: number
  /** Commands killed at the memory limit since the start. */
  readonly oomKills?: number
}

/** What is known of a run before everything is decided. */
export interface RunPlace {
  /** The id its spec will have. */
  readonly id: string
  /** Where the caller stands; undefined when it no longer exists. */
  readonly cwd: string | undefined
}

/** A run that has begun. */
export interface PreparedRun {
  readonly run: (spec: RunSpec, signal: AbortSignal) => Promise<RunOutcome>
  /** Takes everything back; resolves when nothing is left. */
  readonly discard: () => Promise<void>
}

/** What a driver is and enforces. The conformance suite attacks each claim from inside a sandbox. */
export interface DriverFacts {
  readonly isolation: Isolation
  /** What a sandbox with a network gets here; `none`: it cannot have one. Without a network, none exists inside. */
  readonly egress: SandboxEgress
  /** True when a command can have a network of its own, whose flows bear its id. @default false */
  readonly commandNetworks?: boolean
  /** True when ports of single runs can be published (`RunSpec.ports`). @default false */
  readonly runPorts?: boolean
  /** Limits this driver can hold on every machine; `best-effort` depends on the machine and is told by `probe`. */
  readonly limits: 'enforced' | 'best-effort'
  /** True when the host's own programs are the root file system, so that no image is needed. */
  readonly hostRoot: boolean
}

/** One thing that `probe` tried. */
export interface Finding {
  /** Short noun phrase, e.g. `user namespaces`. */
  readonly check: string
  readonly status: 'ok' | 'warning' | 'error'
  /** What was found, one sentence. */
  readonly detail: string
  /** The exact command or setting that mends it. */
  readonly fix?: string
}
export interface ProbeReport {
  readonly usable: boolean
  readonly findings: readonly Finding[]
}

/** The project as the sandbox sees it. Paths in `hidden`, `replaced` and `readOnly` are relative to `hostPath`. */
export interface WorkspaceView {
  readonly mode: 'copy' | 'mount'
  /** Absolute, symlinks resolved. */
  readonly hostPath: string
  /** Files, sockets, FIFOs and devices the sandbox must not see. */
  readonly hidden: readonly string[]
  /** Files shown with other content (credentials taken out). */
  readonly replaced: readonly { readonly path: string; readonly content: string }[]
  /** With `mount`: files and folders that run later on the host, kept read-only. */
  readonly readOnly: readonly string[]
}

/** Everything a driver needs for one run; resolved, nothing left to default. */
export interface RunSpec {
  /** Unique, `[0-9a-z]{16}`; names the run's directory and cgroups. */
  readonly id: string
  readonly command: readonly string[]
  /** The command's environment except PATH and HOME, which the driver sets unless present. */
  readonly env: Readonly<Record<string, string>>
  /** The caller's PATH, for drivers with a host root. */
  readonly callerPath: string
  /** Directory inside the sandbox, absolute; undefined = the workspace, else the home. */
  readonly cwd: string | undefined
  /** `host` or an image reference. */
  readonly image: string
  readonly workspace: WorkspaceView | undefined
  readonly permissions: Permissions
  readonly timeoutMs: number | undefined
  /** Undefined: no network exists inside. */
  readonly network?: RunNetwork
  /** Undefined: no port is published, and nobody outside reaches a server inside. */
  readonly ports?: RunPorts
  readonly secretFiles?: readonly SecretFile[]
}

/** The network of one run. */
export interface RunNetwork extends NetworkView {
  /**
   * Called once, before the command starts, with our end of the egress connection (`docs/guest-protocol.md`): a connected stream
   * socket, which belongs to the one who is called from then on. Its other end closes with the sandbox. Not called when the run fails before it has begun.
   */
  readonly attach: (fd: number) => void
}

/** The way in of one run: published ports. */
export interface RunPorts {
  /**
   * Called once, before the command starts, with our end of a connection on which process 1 serves the operation `connect` of the guest
   * protocol: a connected stream socket, which belongs to the one who is called from then on. Its other end closes with the sandbox.
   * Not called when the run fails before it has begun.
   */
  readonly attach: (fd: number) => void
}

/** How a run ended, as the driver saw it. */
export interface RunOutcome {
  readonly ended: 'exited' | 'signaled' | 'timed_out' | 'out_of_memory' | 'canceled'
  /** Exit status 0–255 with `exited`. */
  readonly status?: number
  readonly signal?: number
  readonly memoryPeakBytes?: number
  /** Project files the command changed in its private copy; undefined when there was no copy. */
  readonly changedFiles?: number
  /** How its network was; undefined when the driver does not know. */
  readonly egress?: SandboxEgress
  /** Weaknesses of this run the user should know, one sentence each. */
  readonly notices: readonly string[]
}
