import type { ExecResult } from './sandboxes.ts'

/**
 * Events of `/run/stream` and `/sandboxes/{name}/exec/stream`, in this order: `started`, any `progress`, any `output` and `gap`, then
 * one of `done` and `error`. The key is the event's name, the value its data.
 */
export interface RunEvents {
  /** `exec_id` with a sandbox that stays. */
  readonly started: {
    readonly command: readonly string[]
    readonly fast: boolean
    readonly timestamp: string
    readonly exec_id?: string
    /** Fields of the request that were ignored. */
    readonly warnings?: readonly string[]
  }
  readonly progress: { readonly stage: 'creating' | 'sandbox_created' | 'sandbox_started'; readonly sandbox?: string }
  /** `data` and `content` are the same piece of text, or base64 where the bytes are not UTF-8. */
  readonly output: {
    readonly data: string
    readonly content: string
    readonly stream: 'stdout' | 'stderr'
    readonly encoding?: 'base64'
  }
  /** Bytes before `offset` were dropped from the log before they were read. */
  readonly gap: { readonly stream: 'stdout' | 'stderr'; readonly offset: number }
  readonly done: {
    readonly exit_code: number
    readonly success: boolean
    readonly ended: ExecResult['ended']
    readonly duration_ms: number
    readonly signal?: number
    readonly exec_id: string
    /** The end of the output, when the command failed. */
    readonly output?: string
  }
  readonly error: { readonly message: string; readonly code: string; readonly fix: string }
}
export type RunEventName = keyof RunEvents
