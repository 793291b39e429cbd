/**
 * The work order for the launch helper; the Go side of it is `guest/internal/plan`. On the wire: a 4-byte little-endian
 * length, then JSON, on descriptor 3. Field comments stand there.
 */
export interface LaunchPlan {
  readonly parentPid: number
  readonly ownSession: boolean
  readonly cgroupProcs: readonly string[]
  readonly limits: readonly { readonly resource: number; readonly value: number }[]
  readonly stage: string
  readonly mounts: readonly StageStep[]
  readonly detach: readonly string[]
  readonly dropTo?: { readonly uid: number; readonly gid: number }
  readonly idMap?: readonly { readonly inside: number; readonly outside: number; readonly count: number }[]
  readonly bwrap: string
  readonly args: readonly string[]
  /** Base64. */
  readonly seccomp: string
  readonly init: string
  readonly spec: InitSpec
}

/** What process 1 starts. */
export interface InitSpec {
  readonly argv: readonly string[]
  readonly env: readonly string[]
  readonly cwd: string
  readonly terminal: boolean
}

/** One step of building the sandbox's root below the stage. `target`, `within`, `lower`, `upper` are paths in it. */
export interface StageStep {
  readonly kind: 'bind' | 'tmpfs' | 'overlay' | 'dir' | 'file' | 'symlink' | 'remove' | 'copy' | 'show' | 'showMatching'
  readonly target: string
  readonly within?: string
  readonly source?: string
  readonly readOnly?: boolean
  readonly map?: boolean
  readonly exact?: boolean
  readonly shallow?: boolean
  readonly devices?: boolean
  readonly lower?: string
  readonly upper?: string
  readonly size?: number
  readonly noExec?: boolean
  readonly mode?: number
  readonly owned?: boolean
  readonly data?: string
  readonly prefixes?: readonly string[]
  readonly optional?: boolean
}

/** A line that the helper or process 1 sends back; `guest/internal/status`. */
export interface StatusLine {
  readonly error?: 'launch' | 'workdir' | 'lookup' | 'exec'
  readonly step?: string
  readonly errno?: number
  readonly detail?: string
  readonly ended?: 'exited' | 'signaled'
  readonly code?: number
  readonly max_rss?: number
  readonly stopped?: boolean
  readonly started?: boolean
}

/** The bytes of a plan as the helper reads them. */
export function encodePlan(plan: LaunchPlan): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(plan))
  const bytes = new Uint8Array(4 + text.length)
  new DataView(bytes.buffer).setUint32(0, text.length, true)
  bytes.set(text, 4)
  return bytes
}
