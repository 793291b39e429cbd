import { ignore } from '../lib/ignore.ts'
import type { Flow, Upstream } from './types.ts'

/** What is still to be sent for a program that is gone may wait so long, in ms. */
const GONE_MS = 30_000

/** Bytes of one flow, as they are counted. */
export interface Traffic {
  /** From the program to the outside. */
  out: number
  in: number
}

export interface PassOptions {
  /** How long a connection that one side has ended may be silent, in ms. */
  readonly halfClosedMs: number
  /** Looks at what the program sends, before it leaves. False: it must not. */
  readonly allows?: (chunk: Uint8Array) => boolean
}

/** How it ended: both sides in order, or by the one that broke it off. */
export type PassEnd = 'ended' | 'program' | 'outside' | 'idle' | 'blocked'

/**
 * Passes bytes both ways until both sides have ended. Each direction waits for whoever reads, so that nothing gathers. At its end both
 * are done with: ended, reset or destroyed. Never rejects.
 */
export async function pass(flow: Flow, upstream: Upstream, traffic: Traffic, options: PassOptions): Promise<PassEnd> {
  let end: PassEnd = 'ended'
  const breakOff = (why: PassEnd): void => {
    if (end === 'ended') end = why
    upstream.destroy()
    flow.refuse(why === 'blocked' ? 'denied' : why === 'idle' ? 'timed_out' : 'refused', MESSAGES[why])
  }
  const guard = silenceGuard(traffic, () => breakOff('idle'))
  let isOver = false
  // A flow that was reset while the other side takes nothing: its end alone does not tell whether something is still to be sent.
  void flow.closed.then(() => (isOver ? undefined : guard.start(Math.min(GONE_MS, options.halfClosedMs))))
  let downEnded = false
  const up = async (): Promise<void> => {
    try {
      for (let chunk = await flow.read(); chunk !== undefined; chunk = await flow.read()) {
        if (options.allows?.(chunk) === false) return breakOff('blocked')
        if (await upstream.write(chunk)) traffic.out += chunk.length
        // The other side is gone. What it sent before is still on its way in, and goes first.
        else if (downEnded) return breakOff('outside')
      }
      upstream.end()
      guard.start(options.halfClosedMs)
    } catch (error) {
      ignore(error, 'the program reset its connection')
      breakOff('program')
    }
  }
  const down = async (): Promise<void> => {
    try {
      for (let chunk = await upstream.read(); chunk !== undefined; chunk = await upstream.read()) {
        traffic.in += chunk.length
        if (!(await flow.write(chunk))) return breakOff('program')
      }
      downEnded = true
      flow.end()
      guard.start(options.halfClosedMs)
    } catch (error) {
      ignore(error, 'the other side reset the connection')
      breakOff('outside')
    }
  }
  await Promise.all([up(), down()])
  isOver = true
  guard.stop()
  upstream.destroy()
  return end
}

const MESSAGES: Readonly<Record<PassEnd, string>> = {
  ended: 'it has ended',
  program: 'the program reset its connection',
  outside: 'the other side reset the connection',
  idle: 'the connection was half closed, and silent for too long',
  blocked: 'what was sent must not leave',
}

/** From `start` on: nothing passed for so long. No timer before that, and one in all; the shortest limit counts. */
function silenceGuard(traffic: Traffic, silent: () => void): { start(limitMs: number): void; stop(): void } {
  let timer: Timer | undefined
  let shortest = Number.POSITIVE_INFINITY
  const seen = { out: -1, in: -1 }
  const look = (): void => {
    if (seen.out === traffic.out && seen.in === traffic.in) return silent()
    seen.out = traffic.out
    seen.in = traffic.in
  }
  return {
    start: (limitMs) => {
      if (limitMs >= shortest) return
      shortest = limitMs
      clearInterval(timer)
      seen.out = -1
      look()
      timer = setInterval(look, limitMs)
    },
    stop: () => clearInterval(timer),
  }
}
