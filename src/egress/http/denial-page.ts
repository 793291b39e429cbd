import type { Headers } from './head.ts'

/** An answer of the gateway itself. */
export interface OwnAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: Uint8Array
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  421: 'Misdirected Request',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  502: 'Bad Gateway',
  504: 'Gateway Timeout',
}
export const reasonOf = (status: number): string => REASONS[status] ?? 'Error'

/** What is told to whoever asked, a person or a model: what was refused, why, and what would allow it. */
export interface Denial {
  readonly status: number
  readonly reason: string
  readonly hint?: string
  /** Of the request. */
  readonly accept?: string
}

/** As JSON for who asks for it, else as text. */
export function denialPage({ status, reason, hint, accept = '' }: Denial): OwnAnswer {
  const isJson = /\bjson\b/i.test(accept)
  const error = status === 403 ? 'Forbidden: host not in allowlist' : reasonOf(status)
  const fix = hint === undefined ? undefined : `to allow it, run with ${hint}, or ask the person who runs this sandbox to`
  const text = isJson
    ? JSON.stringify({ error: { type: 'agentkernel_denied', message: `${error}: ${reason}`, ...(fix === undefined ? {} : { fix }) } })
    : `${error}\n\nagentkernel refused this request: ${reason}.\n${fix === undefined ? '' : `${fix[0]?.toUpperCase()}${fix.slice(1)}.\n`}`
  const body = Buffer.from(isJson ? `${text}\n` : text)
  return {
    status,
    headers: [
      ['Content-Type', isJson ? 'application/json' : 'text/plain; charset=utf-8'],
      ['Content-Length', `${body.length}`],
      ['X-Agentkernel-Denied', reason.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 500)],
      ['Cache-Control', 'no-store'],
    ],
    body,
  }
}
