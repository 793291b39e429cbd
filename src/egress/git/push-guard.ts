import type { GitRule } from '../../contract/git-rules.ts'
import { wholeBody } from '../http/body.ts'
import { valuesOf, without } from '../http/head.ts'
import type { Incoming } from '../http/message.ts'
import type { GuardVerdict, RequestGuard } from '../http/request-guard.ts'
import type { Target } from '../types.ts'
import { refusePush } from './answer-push.ts'
import { notFastForward } from './fast-forward.ts'
import { judge, rulesFor } from './match-rules.ts'
import { parsePush, type PushCommand, type PushHead } from './push-commands.ts'
import { gitRequest } from './push-path.ts'
import { PushBody } from './push-body.ts'

export interface PushLimits {
  /** The largest push whose commits are looked at. @default 64 MiB */
  readonly packBytes: number
  /** All pushes of a sandbox that are looked at together. @default 128 MiB */
  readonly heldBytes: number
  /** What is read of a refused push, so that its program can read why. @default 64 MiB */
  readonly drainBytes: number
}
const MIB = 1024 ** 2
export const PUSH_LIMITS: PushLimits = { packBytes: 64 * MIB, heldBytes: 128 * MIB, drainBytes: 64 * MIB }

/**
 * Holds pushes over HTTP to the git rules. The commands of a push are read before any of it leaves; where an existing ref would change, the
 * whole push is, and its commits must lead from the old one to the new. A push with one bad ref is refused as a whole: its pack is one.
 */
export class PushGuard implements RequestGuard {
  readonly #rules: readonly GitRule[]
  readonly #hosts: ReadonlySet<string>
  readonly #limits: PushLimits
  #held = 0

  constructor(rules: readonly GitRule[], limits: Partial<PushLimits> = {}) {
    this.#rules = rules
    this.#hosts = new Set(rules.map(({ host }) => host))
    this.#limits = { ...PUSH_LIMITS, ...limits }
  }

  check({ host }: Target, request: Incoming): Promise<GuardVerdict> | undefined {
    if (!this.#hosts.has(host)) return undefined
    const asked = gitRequest(request.head.method, request.head.target)
    if (asked.kind === 'other') return undefined
    if (asked.kind === 'denied') return Promise.resolve(asked)
    return this.#push(host, asked.repo, request)
  }

  async #push(host: string, repo: string, request: Incoming): Promise<GuardVerdict> {
    const rules = rulesFor(this.#rules, host, repo)
    const body = PushBody.of(request)
    if (typeof body === 'string') return { kind: 'denied', reason: body }
    const head = await readHead(body)
    if (typeof head === 'string') return { kind: 'denied', reason: `a push that cannot be read: ${head}` }
    if (head.commands.length === 0) return await probe(request, head, body)
    if (head.capabilities.has('push-options')) {
      return await this.#refuse(head, body, refuseAll(head, 'push options are not passed on: with some a server does more than push'))
    }
    const reasons = new Map<string, string>()
    const updates: PushCommand[] = []
    for (const command of head.commands) {
      const verdict = judge(command, rules)
      if (verdict.kind === 'denied') reasons.set(command.ref, rules.length === 0 ? 'no git rule names this repository' : verdict.reason)
      else if (verdict.kind === 'update') updates.push(command)
    }
    if (reasons.size > 0) return await this.#refuse(head, body, reasons)
    if (updates.length === 0) return { kind: 'pass', request: unpacked(request, body) }
    return await this.#update(request, head, body, updates)
  }

  async #update(request: Incoming, head: PushHead, body: PushBody, updates: readonly PushCommand[]): Promise<GuardVerdict> {
    const most = this.#limits.packBytes
    let held = 0
    const mayHold = (bytes: number): boolean => {
      this.#held += bytes
      held += bytes
      return this.#held <= this.#limits.heldBytes
    }
    try {
      const whole = await body.whole(most, mayHold)
      const tooLarge = `an update of ${most / MIB} MiB or more cannot be looked into: push in smaller steps`
      if (typeof whole === 'string')
        return await this.#refuse(head, body, refuseAll(head, whole === 'large' ? tooLarge : 'too many pushes at once: try again'))
      const reasons = await notFastForward(whole.subarray(head.bytes), updates)
      if (reasons.size > 0) return await this.#refuse(head, body, reasons)
      return { kind: 'pass', request: { ...request, head: plainHead(request), body: wholeBody(whole) } }
    } finally {
      this.#held -= held
    }
  }

  async #refuse(head: PushHead, body: PushBody, reasons: ReadonlyMap<string, string>): Promise<GuardVerdict> {
    const [ref = '', why = ''] = [...reasons][0] ?? []
    const reason = `a push of ${ref.slice(0, 200)}: ${why}${reasons.size > 1 ? `, and ${reasons.size - 1} more` : ''}`
    const answer = refusePush(head, reasons)
    await body.drain(this.#limits.drainBytes)
    return { kind: 'denied', reason, ...(answer === undefined ? {} : { answer }) }
  }
}

const refuseAll = (head: PushHead, why: string): Map<string, string> => new Map(head.commands.map(({ ref }) => [ref, why]))

/** A text: why not. */
async function readHead(body: PushBody): Promise<PushHead | string> {
  for (;;) {
    const parsed = parsePush(body.seen())
    if (parsed.kind === 'head') return parsed.head
    if (parsed.kind === 'bad') return parsed.why
    if (!(await body.more())) return body.problem ?? 'it was cut off'
  }
}

/** Before a large push git asks with an empty one whether it may. */
async function probe(request: Incoming, head: PushHead, body: PushBody): Promise<GuardVerdict> {
  const isEmpty = body.seen().length === head.bytes && !(await body.more())
  if (!isEmpty || body.problem !== undefined) return { kind: 'denied', reason: 'a push without commands' }
  return { kind: 'pass', request: { ...request, head: plainHead(request), body: wholeBody(body.seen()) } }
}

/** The server gets the very bytes that were looked at, without an encoding that it might undo differently. */
function unpacked(request: Incoming, body: PushBody): Incoming {
  return { ...request, head: plainHead(request), body: { bytes: body.bytes, content: body.rest() } }
}

function plainHead({ head }: Incoming): Incoming['head'] {
  return valuesOf(head.headers, 'content-encoding').length === 0 ? head : { ...head, headers: without(head.headers, 'content-encoding') }
}
