import { AppError, type ErrorCode } from '../contract/errors.ts'
import { GUEST_ERROR_CODES, type GuestErrorCode } from '../contract/guest-protocol.ts'
import { oneLine } from '../lib/one-line.ts'
import type { Json } from './json.ts'

/** Which operations a failure comes from: `not_found` means a command in one and a path in the other. */
export type Family = 'exec' | 'file'

interface Meaning {
  readonly code: ErrorCode
  /** For operations on commands, where it differs. */
  readonly exec?: ErrorCode
  /** In place of the fix of the error table. */
  readonly fix?: string
}

/** Of what a helper of another version cannot do. */
export const OTHER_VERSION = 'Stop the sandbox and start it again, so that it gets a helper of this version.'

/** What each failure of the guest protocol is called everywhere else. */
const MEANINGS = {
  protocol_error: { code: 'sandbox_lost' },
  protocol_version: { code: 'sandbox_lost', fix: OTHER_VERSION },
  too_many_streams: { code: 'too_many_requests' },
  unknown_op: { code: 'not_available_yet', fix: OTHER_VERSION },
  invalid: { code: 'invalid_argument' },
  not_found: { code: 'file_not_found', exec: 'exec_not_found' },
  exists: { code: 'file_exists', exec: 'already_exists' },
  denied: { code: 'file_access' },
  path_forbidden: { code: 'path_forbidden' },
  not_a_directory: { code: 'invalid_argument', fix: 'Name a folder, and only folders on the way to it.' },
  is_a_directory: { code: 'invalid_argument', fix: 'Name a file, or take the folder as a tar stream.' },
  not_empty: { code: 'file_exists', fix: 'Empty the folder first, or remove it with all that is in it.' },
  no_space: { code: 'disk_full' },
  command_not_found: { code: 'command_not_found' },
  command_not_executable: { code: 'command_not_executable' },
  workdir_not_found: { code: 'workdir_not_found' },
  unsupported: { code: 'not_available_yet', fix: 'This sandbox cannot do that.' },
  refused: { code: 'not_found', fix: 'Start a program in the sandbox that listens there.' },
  agent_lost: { code: 'sandbox_lost' },
  io: { code: 'file_access', exec: 'command_not_executable', fix: 'The reason is named; try again when it is gone.' },
} as const satisfies Record<GuestErrorCode, Meaning>

/** Longest text of a sandbox that goes into an error, in UTF-16 units. */
const MOST_DETAIL = 1_000

/** A failure that the other side reported, in our words. A code that nobody knows is treated as `io`. */
export function guestError(body: Json, family: Family): AppError {
  const code = codeOf(body['code'])
  const meaning: Meaning = MEANINGS[code]
  const said = typeof body['message'] === 'string' && body['message'] !== '' ? short(body['message']) : code.replaceAll('_', ' ')
  const errno = Number.isSafeInteger(body['errno']) && code === 'io' ? ` (errno ${String(body['errno'])})` : ''
  const options = meaning.fix === undefined ? {} : { fix: meaning.fix }
  return new AppError(family === 'exec' ? (meaning.exec ?? meaning.code) : meaning.code, `${said}${errno}`, options)
}

/** The other side ended the connection, and says why: whatever it is, the sandbox is out of reach. */
export function refusal(body: Json): AppError {
  const { message } = guestError(body, 'file')
  const options = body['code'] === 'protocol_version' ? { fix: OTHER_VERSION } : {}
  return new AppError('sandbox_lost', `the sandbox's side ended the connection: ${message}`, options)
}

/** The other side broke a rule of the protocol. The connection cannot go on: nothing after it can be trusted. */
export function breach(detail: string): AppError {
  return new AppError('sandbox_lost', `the sandbox's side broke the guest protocol: ${short(detail)}`)
}

/** The caller's `signal` was aborted. */
export function canceled(): AppError {
  return new AppError('canceled', 'canceled by the caller')
}

function codeOf(value: unknown): GuestErrorCode {
  return GUEST_ERROR_CODES.find((code) => code === value) ?? 'io'
}

/** Hostile text. */
const short = (text: string): string => oneLine(text.slice(0, MOST_DETAIL))
