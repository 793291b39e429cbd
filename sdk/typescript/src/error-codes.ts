/**
 * Every code that a server of this version may answer with, and the HTTP status that carries it. A copy of the product's own table
 * (a published package cannot reach it); a test compares the two. Messages of a WebSocket bear only the code.
 */
export const ERROR_STATUS = {
  usage: 400,
  invalid_argument: 400,
  not_available_yet: 501,
  home_unknown: 500,
  config_invalid: 400,
  config_not_found: 404,
  already_exists: 409,
  not_found: 404,
  policy_denied: 403,
  isolation_too_weak: 403,
  backend_unknown: 400,
  backend_unavailable: 503,
  workspace_unavailable: 400,
  workdir_not_found: 400,
  command_not_found: 400,
  command_not_executable: 400,
  timed_out: 504,
  sandbox_start_failed: 500,
  disk_full: 507,
  output_failed: 500,
  audit_write_failed: 500,
  audit_read_failed: 500,
  audit_broken: 409,
  canceled: 499,
  command_failed: 409,
  sandbox_not_found: 404,
  sandbox_not_running: 409,
  sandbox_archived: 409,
  sandbox_lost: 502,
  exec_not_found: 404,
  file_not_found: 404,
  file_exists: 409,
  file_access: 403,
  path_forbidden: 403,
  unauthorized: 401,
  api_key_required: 403,
  route_not_found: 404,
  method_not_allowed: 405,
  payload_too_large: 413,
  idempotency_mismatch: 422,
  busy: 409,
  store_failed: 500,
  daemon_unreachable: 503,
  vault_locked: 503,
  vault_damaged: 500,
  vault_unsafe: 500,
  vault_read_only: 409,
  address_in_use: 500,
  shutting_down: 503,
  too_many_requests: 429,
  internal: 500,
} as const

export type ServerErrorCode = keyof typeof ERROR_STATUS

/**
 * What `error.code` may be: a code of the server, `stream_error` for a stream that broke off or that nobody understood, or `http_NNN`
 * from a server that names no code. A newer server may have codes that are not here.
 */
export type ErrorCode = ServerErrorCode | 'stream_error' | `http_${number}`
