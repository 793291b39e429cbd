import { createHmac } from 'node:crypto'
import type { LifecycleEvent } from '../../contract/sandboxes.ts'
import type { UndeliveredEvent, WebhookReports, WebhookStatus } from '../../contract/webhooks.ts'
import { ignore } from '../../lib/ignore.ts'
import type { DeadLetter, SandboxStore } from '../../store/sandboxes/store.ts'
import type { Background } from '../background.ts'
import type { EventBus } from './events.ts'

export interface Webhook {
  readonly url: string
  /** Signs each delivery; undefined = unsigned. */
  readonly secret?: string
}

export interface WebhookDeps {
  readonly hooks: readonly Webhook[]
  readonly events: EventBus
  readonly store: SandboxStore
  readonly now: () => Date
  readonly background: Background
  readonly log: (text: string) => void
  /** Waits so many ms; passed in so that tests need not. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>
}

interface Tally {
  delivered: number
  failed: number
  pending: number
  lastError: string | undefined
}

/** One delivery's limit, in ms. */
const DELIVERY_LIMIT_MS = 10_000
/** Pauses before the second and later attempts, in ms. */
const BACKOFF_MS = [100, 400, 1_600, 6_400] as const
/** Deliveries under way at once, for each hook. */
const AT_ONCE = 8

/**
 * Sends every event to every hook. Deliveries of one hook begin in order; each is tried five times, and one that is given up is kept
 * as a dead letter. The body is the event as JSON; with a secret, `X-Agentkernel-Signature: t=UNIX,v1=HEX` carries the HMAC-SHA-256 of
 * `t.body`, so that a receiver can refuse both forgeries and replays.
 */
export class Webhooks implements WebhookReports {
  readonly #deps: WebhookDeps
  readonly #tallies = new Map<Webhook, Tally>()

  constructor(deps: WebhookDeps) {
    this.#deps = deps
    for (const hook of deps.hooks) this.#tallies.set(hook, { delivered: 0, failed: 0, pending: 0, lastError: undefined })
  }

  list(): WebhookStatus[] {
    return [...this.#tallies].map(([hook, { delivered, failed, pending, lastError }]) => ({
      url: originOf(hook.url),
      signed: hook.secret !== undefined,
      delivered,
      failed,
      pending,
      ...(lastError === undefined ? {} : { last_error: lastError }),
    }))
  }

  deadLetters(last: number): UndeliveredEvent[] {
    return this.#deps.store.deadLetters(last).map(({ id, url, body, attempts, error, failedAt }) => ({
      id,
      url,
      event: JSON.parse(body) as unknown,
      attempts,
      error,
      failed_at: failedAt,
    }))
  }

  /** From here on until the background ends; deliveries under way become dead letters then. */
  begin(): void {
    for (const hook of this.#deps.hooks) this.#deps.background.keep(`webhook ${originOf(hook.url)}`, (signal) => this.#follow(hook, signal))
  }

  async #follow(hook: Webhook, signal: AbortSignal): Promise<void> {
    const underWay = new Set<Promise<void>>()
    for await (const event of this.#deps.events.listen({}, signal)) {
      const delivery = this.#deliver(hook, event).finally(() => underWay.delete(delivery))
      underWay.add(delivery)
      if (underWay.size >= AT_ONCE) await Promise.race(underWay)
    }
    await Promise.all(underWay)
  }

  async #deliver(hook: Webhook, event: LifecycleEvent): Promise<void> {
    const body = JSON.stringify(event)
    const tally = this.#tallies.get(hook)!
    tally.pending++
    try {
      const error = await this.#tryToDeliver(hook, event, body)
      if (error === undefined) tally.delivered++
      else {
        tally.failed++
        tally.lastError = error
      }
    } finally {
      tally.pending--
    }
  }

  /** Undefined when it was taken; else why not, after the last attempt. */
  async #tryToDeliver(hook: Webhook, event: LifecycleEvent, body: string): Promise<string | undefined> {
    let error = 'the daemon ended'
    let attempts = 0
    for (const pauseMs of [0, ...BACKOFF_MS]) {
      try {
        if (pauseMs > 0) await this.#deps.pause(pauseMs, this.#deps.background.signal)
        if (this.#deps.background.signal.aborted) break
        attempts++
        await this.#attempt(hook, event, body)
        return undefined
      } catch (failure) {
        ignore(failure, 'the next attempt follows, or the dead letter says it')
        error = failure instanceof Error ? failure.message : String(failure)
      }
    }
    this.#deps.log(`webhook ${originOf(hook.url)} did not take ${event.event}: ${error}`)
    this.#bury({ url: originOf(hook.url), body, attempts, error, failedAt: this.#deps.now().toISOString() })
    return error
  }

  #bury(letter: Omit<DeadLetter, 'id'>): void {
    try {
      this.#deps.store.addDeadLetter(letter)
    } catch (error) {
      ignore(error, 'the log has said that it was not taken')
    }
  }

  async #attempt(hook: Webhook, event: LifecycleEvent, body: string): Promise<void> {
    const time = Math.floor(this.#deps.now().getTime() / 1000)
    const signature = hook.secret === undefined ? undefined : createHmac('sha256', hook.secret).update(`${time}.${body}`).digest('hex')
    const reply = await fetch(hook.url, {
      method: 'POST',
      body,
      // A redirect could lead the event, signature and all, to somebody else.
      redirect: 'error',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'agentkernel-webhook',
        'x-agentkernel-event': event.event,
        'x-agentkernel-delivery': `${event.id}`,
        ...(signature === undefined ? {} : { 'x-agentkernel-signature': `t=${time},v1=${signature}` }),
      },
      signal: AbortSignal.any([AbortSignal.timeout(DELIVERY_LIMIT_MS), this.#deps.background.signal]),
    })
    await reply.body?.cancel()
    if (!reply.ok) throw new DeliveryRefused(reply.status)
  }
}

class DeliveryRefused extends Error {
  constructor(status: number) {
    super(`the receiver answered ${status}`)
  }
}

/** A hook's address may hold a key in its path or query: only where it goes is shown. */
function originOf(url: string): string {
  return new URL(url).origin
}
