/** A folder of the system, and how far below it a person's own folders begin. */
export interface SystemTree {
  readonly path: string
  /** Folders between the tree and the first possible project; 1 = directly below; Infinity = never. */
  readonly below: number
}

const NEVER = Number.POSITIVE_INFINITY

/** The longest matching row decides. Folders that match no row (such as `/app`) may be projects. */
export const SYSTEM_TREES: readonly SystemTree[] = [
  ...['/etc', '/usr', '/var', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/boot'].map((path) => ({ path, below: NEVER })),
  ...['/proc', '/sys', '/dev', '/run', '/snap', '/nix', '/gnu', '/lost+found'].map((path) => ({ path, below: NEVER })),
  // Places inside those trees that people do work in.
  ...['/usr/src', '/usr/local/src', '/var/www', '/var/tmp', '/dev/shm'].map((path) => ({ path, below: 1 })),
  ...['/', '/tmp', '/opt', '/srv', '/mnt', '/media', '/root'].map((path) => ({ path, below: 1 })),
  // `/home/ann` is the home of a person, whoever runs us.
  { path: '/home', below: 2 },
]

/** A folder that holds keys or settings of a person. */
export interface SensitivePlace {
  /** Relative to a home, and with `anywhere` to any folder. */
  readonly path: string
  readonly anywhere: boolean
  /** True when a git work tree below it is a project all the same, such as `~/.config/nvim`. */
  readonly repositories: boolean
}

export const SENSITIVE_PLACES: readonly SensitivePlace[] = [
  ...['.ssh', '.gnupg', '.aws', '.azure', '.kube', '.docker', '.password-store'].map((path) => ({
    path,
    anywhere: true,
    repositories: false,
  })),
  ...['.local/share/keyrings', '.pki', '.mozilla', '.thunderbird'].map((path) => ({ path, anywhere: false, repositories: false })),
  ...['.config', '.local', '.cache', '.claude', '.codex', '.gemini'].map((path) => ({ path, anywhere: false, repositories: true })),
]
