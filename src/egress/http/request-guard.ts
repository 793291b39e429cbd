import type { ResponseHead, Target } from '../types.ts'
import type { Body, Incoming } from './message.ts'

/** Looks at what a request asks for beyond its method and path, as it would leave, before anything of it does. */
export interface RequestGuard {
  /** Undefined: it has nothing to say about this one. May read the body, and then gives another in its place. Rejects as the body does. */
  check(target: Target, request: Incoming): Promise<GuardVerdict> | undefined
}

export type GuardVerdict =
  | { readonly kind: 'pass'; readonly request: Incoming }
  | {
      readonly kind: 'denied'
      /** One sentence without a full stop and without secrets. */
      readonly reason: string
      readonly hint?: string
      /** An answer that the program understands better than a page. */
      readonly answer?: { readonly head: ResponseHead; readonly body: Body }
    }
