import type { HookPayload } from './payload.ts'

/** Where what a hook is told goes. */
export interface HookTarget {
  /** How many at most are handed over at once. */
  readonly batch: number
  /** How many hand-overs go on at once. */
  readonly atOnce: number
  /** Rejects when they were not taken and trying again is no use. */
  deliver(payloads: readonly HookPayload[], signal: AbortSignal): Promise<void>
}
