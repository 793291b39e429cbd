import type { NetworkLevel, ProfileName, WorkspaceMode } from '../contract/config.ts'

const MIB = 1024 ** 2
const GIB = 1024 ** 3

/** The profile of a run for which nobody names one. */
export const DEFAULT_PROFILE: ProfileName = 'moderate'

/** What a profile lets a sandbox see and do. Sizes are in `Limits`, because they depend on the machine. */
export interface Profile {
  /** One line for help and for the reference page. */
  readonly summary: string
  /** The network the profile implies: `public` is expanded to the written rule of that name. */
  readonly network: NetworkLevel
  readonly workspace: WorkspaceMode
  readonly mountHome: boolean
  readonly passEnv: boolean
  readonly readOnlyRoot: boolean
  /** Name of a built-in seccomp profile. */
  readonly seccomp: 'default' | 'moderate' | 'restrictive'
}

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  permissive: {
    summary: 'Works on your real files: for commands you trust',
    network: 'public',
    workspace: 'mount',
    mountHome: true,
    passEnv: true,
    readOnlyRoot: false,
    seccomp: 'default',
  },
  moderate: {
    summary: 'Sees a private copy of the project: for everyday work',
    network: 'public',
    workspace: 'copy',
    mountHome: false,
    passEnv: false,
    readOnlyRoot: false,
    seccomp: 'moderate',
  },
  restrictive: {
    summary: 'Sees nothing, reaches nothing: for code you do not trust at all',
    network: 'none',
    workspace: 'none',
    mountHome: false,
    passEnv: false,
    readOnlyRoot: true,
    seccomp: 'restrictive',
  },
}

/** How much of the machine one sandbox may use. */
export interface Limits {
  readonly memoryBytes: number
  /** Cores; undefined = all of them. */
  readonly cpus: number | undefined
  readonly pids: number
}

/** The size of /tmp and whether programs may start from it. */
export interface TmpLimits {
  readonly tmpBytes: number
  readonly tmpExec: boolean
}

/** Ceilings from which the limits of a machine are worked out. */
interface LimitRule {
  /** Most memory a sandbox gets, in bytes; never more than half of the machine's. */
  readonly memoryCeilingBytes: number
  readonly cpus: number | undefined
  readonly pids: number
  /** Largest /tmp, in bytes; never more than half of the sandbox's own memory, because /tmp lives in it. */
  readonly tmpCeilingBytes: number
  readonly tmpExec: boolean
}

const ordinary: LimitRule = {
  memoryCeilingBytes: 4 * GIB,
  cpus: undefined,
  // Enough for a parallel build or a browser; a fork bomb ends before the host notices.
  pids: 2048,
  tmpCeilingBytes: 2 * GIB,
  tmpExec: true,
}

/**
 * Sandboxes that share the host's kernel and memory. A limit there reserves nothing, so the ceiling is generous, and
 * half of the machine always stays with the user. The `restrictive` row keeps the sizes the product always had.
 */
const SHARED_KERNEL: Readonly<Record<ProfileName, LimitRule>> = {
  permissive: ordinary,
  moderate: ordinary,
  restrictive: { memoryCeilingBytes: 256 * MIB, cpus: 0.5, pids: 256, tmpCeilingBytes: 64 * MIB, tmpExec: false },
}

/** Limits of a sandbox that shares the host's kernel, on a machine with `totalMemoryBytes` of RAM. */
export function sharedKernelLimits(profile: ProfileName, totalMemoryBytes: number): Limits {
  const rule = SHARED_KERNEL[profile]
  return { memoryBytes: Math.min(rule.memoryCeilingBytes, Math.floor(totalMemoryBytes / 2)), cpus: rule.cpus, pids: rule.pids }
}

/** The /tmp of a sandbox that shares the host's kernel and may use `memoryBytes`. */
export function sharedKernelTmp(profile: ProfileName, memoryBytes: number): TmpLimits {
  const rule = SHARED_KERNEL[profile]
  return { tmpBytes: Math.min(rule.tmpCeilingBytes, Math.floor(memoryBytes / 2)), tmpExec: rule.tmpExec }
}

/**
 * Sandboxes whose memory is set aside when they start (virtual machines), and sandboxes asked for over HTTP without a
 * size. They keep the product's fixed default, since many of them must fit beside each other.
 */
export const RESERVED_LIMITS: Readonly<Record<ProfileName, Limits>> = {
  permissive: { memoryBytes: 512 * MIB, cpus: 1, pids: 2048 },
  moderate: { memoryBytes: 512 * MIB, cpus: 1, pids: 2048 },
  restrictive: { memoryBytes: 256 * MIB, cpus: 0.5, pids: 256 },
}
