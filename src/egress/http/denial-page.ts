import type { ResponseHead } from '../types.ts'
import { wholeBody } from './body.ts'
import type { Body } from './message.ts'

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  421: 'Misdirected Request',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  502: 'Bad Gateway',
  504: 'Gateway Timeout',
}

/** Why a request did not get through, for whoever asked: a person or a model. */
export interface Denial {
  readonly status: number
  /** One sentence without a full stop and without secrets. */
  readonly reason: string
  /** The argument that would allow it. */
  readonly hint?: string
  /** A budget is used up: said in the way that programs of language models expect. */
  readonly isBudget?: boolean
  /** An answer that the program understands better than a page. */
  readonly answer?: { readonly head: ResponseHead; readonly body: Body }
}

/** An answer of the gateway itself: as JSON for who asks for that, else as text. */
export function denialPage(denial: Denial, accept = ''): { readonly head: ResponseHead; readonly body: Body } {
  const { status, reason, hint, isBudget = false } = denial
  const isJson = isBudget || /\bjson\b/i.test(accept)
  const title = status === 403 && hint !== undefined ? 'Forbidden: host not in allowlist' : (REASONS[status] ?? 'Error')
  const fix = hint === undefined ? undefined : `to allow it, run with ${hint}, or ask the person who runs this sandbox to`
  const text = isBudget ? budgetJson(reason) : isJson ? json(title, reason, fix) : plain(title, reason, fix)
  const headers: [string, string][] = [
    ['Content-Type', isJson ? 'application/json' : 'text/plain; charset=utf-8'],
    [status >= 500 ? 'X-Agentkernel-Failed' : 'X-Agentkernel-Denied', reason.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 500)],
    ['Cache-Control', 'no-store'],
  ]
  // Libraries of OpenAI and Anthropic try 429 again otherwise, which cannot help.
  if (isBudget) headers.push(['X-Should-Retry', 'false'])
  return { head: { status, headers }, body: wholeBody(Buffer.from(text)) }
}

function plain(title: string, reason: string, fix: string | undefined): string {
  const last = fix === undefined ? '' : `${fix[0]?.toUpperCase()}${fix.slice(1)}.\n`
  return `${title}\n\nagentkernel did not let this request through: ${reason}.\n${last}`
}

function json(title: string, reason: string, fix: string | undefined): string {
  const error = { type: 'agentkernel_denied', message: `${title}: ${reason}`, ...(fix === undefined ? {} : { fix }) }
  return `${JSON.stringify({ error })}\n`
}

/** One shape in which the libraries of OpenAI, Anthropic, Google and Cohere all find their message. */
function budgetJson(reason: string): string {
  const message = `agentkernel stopped this request: ${reason}`
  const error = { type: 'insufficient_quota', code: 'insufficient_quota', status: 'RESOURCE_EXHAUSTED', message }
  return `${JSON.stringify({ type: 'error', error, message })}\n`
}
