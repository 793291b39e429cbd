import type { IdRange } from './identity.ts'

/**
 * The work order for the launch helper; the Go side of it is `guest/internal/plan`, where the fields are explained. On
 * the wire, on descriptor 3: prologue and plan, each a 4-byte little-endian length and then JSON.
 */
export interface LaunchPrologue {
  readonly stage: string
  readonly mounts: readonly StageStep[]
  readonly idMap?: IdMap
}

export interface LaunchPlan {
  readonly cgroupProcs: readonly string[]
  /** In place of the spec's limits when the groups cannot be joined; without any, that is an error. */
  readonly fallbackLimits?: InitSpec['limits']
  readonly mounts: readonly StageStep[]
  readonly terminal: boolean
  readonly detach: readonly string[]
  readonly dropTo?: { readonly uid: number; readonly gid: number }
  readonly idMap?: IdMap
  readonly bwrap: string
  readonly args: readonly string[]
  /** Base64. */
  readonly seccomp: string
  readonly init: string
  /** Process 1 starts one command, or serves the guest protocol. @default 'init' */
  readonly mode?: 'init' | 'agent'
  readonly spec: InitSpec | AgentSpec
  /** Whether there is a way out, and if so whether through a network device. Always said: see the helper. */
  // Ports: some are published.
  readonly network: { readonly egress: boolean; readonly tun: boolean; readonly ports?: boolean }
}

export type IdMap = readonly IdRange[]

/** What process 1 starts. */
export interface InitSpec {
  /** Resource limits, for machines where there is no control group. */
  readonly limits: readonly { readonly resource: number; readonly value: number }[]
  readonly argv: readonly string[]
  readonly env: readonly string[]
  readonly cwd: string
  readonly terminal: boolean
  /** Process 1 serves the connection that published ports are asked on. @default false */
  readonly ports?: boolean
}

/** What process 1 of a sandbox that stays gives each command. */
export interface AgentSpec {
  readonly limits: InitSpec['limits']
  /** Of the whole program, for its greeting. */
  readonly version: string
}

/** One step of building the sandbox's root below the stage. `target`, `within`, `lower`, `upper` are paths in it. */
export interface StageStep {
  readonly kind:
    | 'bind'
    | 'cover'
    | 'tmpfs'
    | 'overlay'
    | 'dir'
    | 'file'
    | 'symlink'
    | 'remove'
    | 'show'
    | 'showMatching'
    | 'devices'
    | 'devpts'
    | 'console'
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
  readonly names?: readonly string[]
  readonly prefixes?: readonly string[]
  readonly optional?: boolean
}

/** The bytes of one message as the helper reads them. */
export function encodeMessage(message: LaunchPrologue | LaunchPlan): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(message))
  const bytes = new Uint8Array(4 + text.length)
  new DataView(bytes.buffer).setUint32(0, text.length, true)
  bytes.set(text, 4)
  return bytes
}
