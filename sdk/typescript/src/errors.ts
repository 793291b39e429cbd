import { ERROR_STATUS, type ErrorCode, type ServerErrorCode } from './error-codes.ts'

export interface ErrorDetails {
  /** HTTP status; 0 when there was no answer. */
  status?: number
  code?: ErrorCode
  /** What to do about it, one sentence. */
  fix?: string | undefined
  /** More exactly, where the message is a fixed sentence. */
  detail?: string | undefined
  /** The server's id of the request, for its log. */
  requestId?: string | undefined
  cause?: unknown
}

/** The base of every error that this package throws by itself. Match `code`: it is stable, and survives two copies of the package. */
export class AgentKernelError extends Error {
  /** HTTP status of the answer; 0 when there was none. */
  readonly status: number
  readonly code: ErrorCode
  /** What to do about it, one sentence, where the server says. */
  declare readonly fix: string | undefined
  /** More exactly what the message says, where the server has more to say. */
  declare readonly detail: string | undefined
  /** The server's id of the request. */
  declare readonly requestId: string | undefined

  constructor(message: string, details: number | ErrorDetails = {}) {
    const { status = 0, code, fix, detail, requestId, cause } = typeof details === 'number' ? { status: details } : details
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'AgentKernelError'
    this.status = status
    this.code = code ?? `http_${status}`
    assignDefined(this, { fix, detail, requestId })
  }
}

/** No key, or a wrong one (401). */
export class AuthError extends AgentKernelError {
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { status: 401, code: 'unauthorized', ...details })
    this.name = 'AuthError'
  }
}

/** There is no such sandbox, file, command or route (404). */
export class NotFoundError extends AgentKernelError {
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { status: 404, code: 'not_found', ...details })
    this.name = 'NotFoundError'
  }
}

/** The request is wrong (400); thrown without asking the server when an argument cannot be sent. */
export class ValidationError extends AgentKernelError {
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { status: 400, code: 'invalid_argument', ...details })
    this.name = 'ValidationError'
  }
}

/** The server failed (5xx). */
export class ServerError extends AgentKernelError {
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { status: 500, code: 'internal', ...details })
    this.name = 'ServerError'
  }
}

/** The server knows the feature but does not have it in this release (501, `not_available_yet`). */
export class NotAvailableError extends ServerError {
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { status: 501, ...details, code: 'not_available_yet' })
    this.name = 'NotAvailableError'
  }
}

/** The command ran and ended with another status than 0 (409). */
export class CommandFailedError extends AgentKernelError {
  /** What a shell would report: the status, 128 + number of the signal, 124 after the time limit. */
  readonly exitCode: number
  /** stdout followed by stderr. */
  readonly output: string
  declare readonly stdout: string | undefined
  declare readonly stderr: string | undefined
  /** `exited`, `signaled`, `timed_out`, `out_of_memory`, `canceled` or `lost`, where the server says. */
  declare readonly ended: string | undefined

  constructor(
    message: string,
    details: ErrorDetails & { exitCode: number; output?: string; stdout?: string; stderr?: string; ended?: string },
  ) {
    super(message, { status: 409, code: 'command_failed', ...details })
    this.name = 'CommandFailedError'
    this.exitCode = details.exitCode
    this.output = details.output ?? ''
    assignDefined(this, { stdout: details.stdout, stderr: details.stderr, ended: details.ended })
  }
}

/** The server was not reached, or the connection broke before its answer. */
export class NetworkError extends AgentKernelError {
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { status: 0, code: 'daemon_unreachable', ...details })
    this.name = 'NetworkError'
  }
}

/** No answer within the time limit of the request. */
export class TimeoutError extends NetworkError {
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { code: 'timed_out', ...details })
    this.name = 'TimeoutError'
  }
}

/** A stream broke off, or said something that is no part of its protocol. */
export class StreamError extends AgentKernelError {
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { status: 0, code: 'stream_error', ...details })
    this.name = 'StreamError'
  }
}

/** The error that an answer stands for. `body` is what it held, as parsed from JSON or as text. */
export function errorFromResponse(status: number, body: unknown, requestId?: string): AgentKernelError {
  const fields = isRecord(body) ? body : {}
  const message = text(fields['error']) ?? text(fields['message']) ?? plainText(body) ?? `the server answered with status ${status}`
  const code = text(fields['code']) as ErrorCode | undefined // an unknown code of a newer server is passed on as it is
  const details: ErrorDetails = {
    status,
    code: code ?? codeOfStatus(status),
    fix: text(fields['fix']),
    detail: text(fields['detail']),
    requestId: text(fields['request_id']) ?? requestId,
  }
  const exitCode = fields['exit_code']
  if (typeof exitCode === 'number') return commandFailed(message, { ...details, code: code ?? 'command_failed' }, exitCode, fields)
  return new (classOf(details))(message, details)
}

/** The error that a message of a stream stands for: `{code, message, fix}`. */
export function errorFromMessage(fields: Readonly<Record<string, unknown>>, requestId?: string): AgentKernelError {
  const code = text(fields['code'])
  if (code === undefined || !Object.hasOwn(ERROR_STATUS, code)) {
    const message = text(fields['message']) ?? text(fields['error']) ?? 'the server reported an error without saying which'
    return new StreamError(message, { fix: text(fields['fix']), requestId, ...(code === undefined ? {} : { code: code as ErrorCode }) })
  }
  return errorFromResponse(ERROR_STATUS[code as ServerErrorCode], fields, requestId)
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Leaves out what is undefined: an error that is printed shows every member it has. */
function assignDefined(error: AgentKernelError, members: Readonly<Record<string, string | undefined>>): void {
  Object.assign(error, Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)))
}

function commandFailed(
  message: string,
  details: ErrorDetails,
  exitCode: number,
  fields: Readonly<Record<string, unknown>>,
): CommandFailedError {
  const streams: Record<string, string> = {}
  for (const name of ['output', 'stdout', 'stderr', 'ended']) {
    const value = fields[name]
    if (typeof value === 'string') streams[name] = value
  }
  return new CommandFailedError(message, { ...details, exitCode, ...streams })
}

function classOf({ status = 0, code }: ErrorDetails): new (message: string, details: ErrorDetails) => AgentKernelError {
  if (code === 'not_available_yet' || status === 501) return NotAvailableError
  if (status === 401) return AuthError
  if (status === 404) return NotFoundError
  if (status === 400) return ValidationError
  if (status >= 500) return ServerError
  return AgentKernelError
}

function codeOfStatus(status: number): ErrorCode {
  const names: Readonly<Record<number, ErrorCode>> = {
    400: 'invalid_argument',
    401: 'unauthorized',
    404: 'not_found',
    413: 'payload_too_large',
  }
  return names[status] ?? `http_${status}`
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** A body that is not ours, such as a proxy's page: its beginning is enough to tell whose it is. */
function plainText(body: unknown): string | undefined {
  if (typeof body !== 'string') return undefined
  const short = body.replace(/\s+/g, ' ').trim().slice(0, 200)
  return short === '' ? undefined : short
}
