import { AppError, ERRORS, isAppError } from '../contract/errors.ts'

/** What a handler answers: the `data` of the envelope, with members beside it, or a response of its own making. */
export type Reply = DataReply | Response
export interface DataReply {
  readonly data: unknown
  /** Members of the envelope beside `data`. */
  readonly beside?: Readonly<Record<string, unknown>>
}

/** `{"success":true,"data":…}`. Warnings go into `data` where it is an object, and beside it otherwise. */
export function successBody({ data, beside = {} }: DataReply, warnings: readonly string[]): Readonly<Record<string, unknown>> {
  if (warnings.length === 0) return { success: true, data, ...beside }
  if (!isRecord(data)) return { success: true, data, ...beside, warnings }
  const own = Array.isArray(data['warnings']) ? data['warnings'] : []
  return { success: true, data: { ...data, warnings: [...own, ...warnings] }, ...beside }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export interface Failure {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>
  /** True for a bug of ours. */
  readonly bug: boolean
}

/** `{"success":false,"error":…,"code":…,"fix":…}`, with the status that the error table has for the code. */
export function failureOf(error: unknown): Failure {
  const known = isAppError(error) ? error : new AppError('internal', 'an error that we did not expect', { cause: error })
  const row = ERRORS[known.code]
  const { error: text, ...detail } = wording(known)
  return {
    status: row.http,
    body: { success: false, error: text, code: known.code, fix: known.fix, ...detail },
    headers: {
      ...(known.code === 'unauthorized' ? { 'www-authenticate': 'Bearer' } : {}),
      ...(row.http === 503 || row.http === 429 ? { 'retry-after': '1' } : {}),
    },
    bug: known.code === 'internal',
  }
}

/** Clients of the earlier product compare some texts; what we say more exactly goes into `detail`. */
function wording(error: AppError): { readonly error: string; readonly detail?: string } {
  if (error.code === 'sandbox_not_found') return { error: 'Sandbox not found', detail: error.message }
  if (error.code === 'route_not_found') return { error: 'Not found', detail: error.message }
  if (error.code === 'policy_denied' && !error.message.startsWith('Policy denied')) return { error: `Policy denied: ${error.message}` }
  return { error: error.message }
}

export function jsonResponse(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
  })
}
