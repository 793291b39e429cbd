import { ignore } from '../../lib/ignore.ts'
import type { HookPayload } from './payload.ts'
import type { HookTarget } from './hook-target.ts'

const LIMIT_MS = 5_000
/** Pauses before the second and the third attempt, in ms. */
const PAUSES_MS = [200, 1_000] as const

export interface WebhookOptions {
  readonly url: string
  readonly event: 'on_request' | 'on_response'
  /** PEM of everything that receivers are trusted by. */
  readonly trusted: () => Promise<readonly string[]>
}

/** A POST for each request, over TLS that is verified. A redirect is no success: it could lead what is told to somebody else. */
export function webhookTarget(options: WebhookOptions): HookTarget {
  const isTls = options.url.startsWith('https:')
  let authorities: Promise<readonly string[]> | undefined
  const tls = async () => (isTls ? { tls: { ca: [...(await (authorities ??= options.trusted()))] } } : {})
  return {
    batch: 1,
    atOnce: 4,
    deliver: async ([payload], signal) => {
      if (payload !== undefined) await attempts(() => post(options, payload, tls, signal), signal)
    },
  }
}

class Refused extends Error {}

async function attempts(attempt: () => Promise<void>, signal: AbortSignal): Promise<void> {
  for (const pauseMs of PAUSES_MS) {
    try {
      return await attempt()
    } catch (error) {
      if (error instanceof Refused || signal.aborted) throw error
      ignore(error, 'it is tried again')
    }
    await Bun.sleep(pauseMs)
  }
  await attempt()
}

async function post({ url, event }: WebhookOptions, payload: HookPayload, tls: () => Promise<object>, signal: AbortSignal): Promise<void> {
  const reply = await fetch(url, {
    method: 'POST',
    body: JSON.stringify(payload),
    redirect: 'manual',
    headers: { 'content-type': 'application/json', 'user-agent': 'agentkernel-hook', 'x-agentkernel-event': event },
    signal: AbortSignal.any([AbortSignal.timeout(LIMIT_MS), signal]),
    // A proxy of the environment is for people; without one nothing but the receiver sees this.
    proxy: '',
    ...(await tls()),
  })
  await reply.body?.cancel()
  if (reply.ok) return
  const message = `the receiver answered ${reply.status}`
  throw reply.status >= 500 || reply.status === 429 ? new Error(message) : new Refused(message)
}
