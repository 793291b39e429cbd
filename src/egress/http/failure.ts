import { DeniedError } from '../dialer.ts'
import { DialError } from '../types.ts'
import { CutOff } from './byte-reader.ts'
import type { Denial } from './denial-page.ts'
import { BadMessage } from './head.ts'

/** A body that must not pass, found while it was on its way. */
export class BlockedBody extends Error {}

/** What is answered and recorded when an exchange did not go well. */
export function denialOf(error: unknown): Denial & { readonly verdict: 'denied' | 'failed' } {
  if (error instanceof DeniedError) {
    const { reason, hint } = error.verdict
    return { verdict: 'denied', status: 403, reason, ...(hint === undefined ? {} : { hint }) }
  }
  if (error instanceof BlockedBody) return { verdict: 'denied', status: 403, reason: error.message }
  if (error instanceof BadMessage) return { verdict: error.status < 500 ? 'denied' : 'failed', status: error.status, reason: error.message }
  if (error instanceof DialError) {
    if (error.code === 'denied') return { verdict: 'denied', status: 403, reason: error.message }
    return { verdict: 'failed', status: error.code === 'timed_out' ? 504 : 502, reason: error.message }
  }
  return { verdict: 'failed', status: 502, reason: error instanceof CutOff ? error.message : 'the exchange was broken off' }
}
