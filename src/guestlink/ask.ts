import { AppError } from '../contract/errors.ts'
import type { Feature } from '../contract/guest-protocol.ts'
import type { GuestConnection } from './connection.ts'
import { breach, type Family } from './errors.ts'
import type { Json, Operation } from './json.ts'
import type { StreamHandler } from './stream.ts'

/** How long the other side may take to say anything at all. */
export const ANSWER_LIMIT_MS = 60_000
/** Of an answer that comes in parts, in bytes of JSON: some 400,000 names, and not whatever a hostile side likes to send. */
const MOST_ANSWER_BYTES = 64 * 1024 ** 2

export interface Question<T> {
  readonly feature: Feature
  /** @default 'file' */
  readonly family?: Family
  readonly signal: AbortSignal | undefined
  /** @default ANSWER_LIMIT_MS */
  readonly limitMs?: number
  /** Makes the answer of END. */
  readonly read: (body: Json) => T
  /** Takes an EVENT, a part of the answer. Without it, an EVENT is a breach. */
  readonly event?: (body: Json) => void
}

/**
 * An operation that moves no bytes: asks and resolves with the answer. Aborting the signal gives up waiting. Errors: `timed_out`,
 * `canceled`,
 * `payload_too_large` (an answer of more than 64 MiB), those of the connection and of the operation.
 */
export function ask<T>(connection: GuestConnection, request: Operation, question: Question<T>): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  let answerBytes = 0
  const handler: StreamHandler = {
    family: question.family ?? 'file',
    event: (body, cost) => {
      if (question.event === undefined) throw breach(`an event of ${request.op}, which has none`)
      question.event(body)
      stream.consumed(cost)
      answerBytes += cost
      if (answerBytes <= MOST_ANSWER_BYTES) return
      const detail = `${request.op}: an answer of more than ${MOST_ANSWER_BYTES} bytes`
      stream.abandon(new AppError('payload_too_large', detail, { fix: 'Run a command in the sandbox that looks at it.' }))
    },
    data: () => {
      throw breach(`content of ${request.op}, which has none`)
    },
    ended: (body) => resolve(question.read(body)),
    failed: reject,
  }
  const stream = connection.open(request, handler, { feature: question.feature, signal: question.signal, onAbort: 'abandon' })
  stream.within(question.limitMs ?? ANSWER_LIMIT_MS, request.op)
  return promise
}
