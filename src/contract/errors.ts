/**
 * Every expected failure of the product, in one table. The code is the API: callers match `error.code`,
 * HTTP sends `http`, the CLI exits with `exit`, and `fix` is the sentence that tells a person what to do next.
 *
 * `exit` is the status of commands that are not themselves a command's result. Commands that stand for another
 * command (`run`, `exec`, `attach`, `ssh connect`) use `exitCodeOf(code, 'proxy')`, which leaves the whole range
 * below 125 to the command itself.
 */
interface ErrorRow {
  /** HTTP status that carries this error. */
  readonly http: number
  /** Exit status of an ordinary command. */
  readonly exit: 1 | 2 | 70
  /** Exit status of a command that stands for another one; 125 unless the shell has a number for it. */
  readonly proxyExit?: 124 | 126 | 127 | 2
  /** True when the same call may succeed later without any change. */
  readonly retry: boolean
  /** What to do about it, one sentence. */
  readonly fix: string
}

const rows = {
  usage: { http: 400, exit: 2, proxyExit: 2, retry: false, fix: 'See `--help` for the accepted form.' },
  invalid_argument: { http: 400, exit: 2, proxyExit: 2, retry: false, fix: 'Correct the value and try again.' },
  not_available_yet: { http: 501, exit: 2, proxyExit: 2, retry: false, fix: 'Leave the option out; it arrives with a later release.' },
  home_unknown: { http: 500, exit: 1, retry: false, fix: 'Set HOME to a folder of yours, for example `export HOME=/home/me`.' },
  config_invalid: { http: 400, exit: 1, retry: false, fix: 'Correct the named line of the file.' },
  config_not_found: { http: 404, exit: 1, retry: false, fix: 'Check the path given with --config.' },
  already_exists: { http: 409, exit: 1, retry: false, fix: 'Choose another name, or remove the existing one first.' },
  not_found: { http: 404, exit: 1, retry: false, fix: 'Check the name.' },
  policy_denied: { http: 403, exit: 1, retry: false, fix: 'Ask for less, or change the named rule.' },
  isolation_too_weak: {
    http: 403,
    exit: 1,
    retry: false,
    fix: 'Use a backend that isolates more, or lower `min_isolation` in your user config.',
  },
  backend_unknown: { http: 400, exit: 2, proxyExit: 2, retry: false, fix: 'Use one of the named backends.' },
  backend_unavailable: {
    http: 503,
    exit: 1,
    retry: true,
    fix: 'Run `agentkernel doctor`; it names what is missing and how to install it.',
  },
  workspace_unavailable: { http: 400, exit: 1, retry: false, fix: 'Run from a directory that exists and that you may read.' },
  workdir_not_found: { http: 400, exit: 1, retry: false, fix: 'Name a directory that exists inside the sandbox.' },
  command_not_found: {
    http: 400,
    exit: 1,
    proxyExit: 127,
    retry: false,
    fix: 'Check the spelling. Inside are the programs of /usr, known tool folders of your home, and your project.',
  },
  command_not_executable: {
    http: 400,
    exit: 1,
    proxyExit: 126,
    retry: false,
    fix: 'Make the file executable, or run it through its interpreter.',
  },
  timed_out: { http: 504, exit: 1, proxyExit: 124, retry: true, fix: 'Raise --timeout.' },
  sandbox_start_failed: { http: 500, exit: 1, retry: true, fix: 'Run `agentkernel doctor`; it tries each step by itself.' },
  disk_full: { http: 507, exit: 1, retry: true, fix: 'Free some space and try again.' },
  output_failed: { http: 500, exit: 1, retry: true, fix: 'Give the command an open output with room for more.' },
  audit_write_failed: { http: 500, exit: 1, retry: true, fix: 'Make the audit log writable, or set AGENTKERNEL_AUDIT=0.' },
  audit_read_failed: { http: 500, exit: 1, retry: true, fix: 'Check the owner and the permissions of the audit log.' },
  audit_broken: { http: 409, exit: 1, retry: false, fix: 'Keep the file as evidence; the named record or its neighbour was changed.' },
  canceled: { http: 499, exit: 1, retry: true, fix: 'Run it again.' },
  command_failed: { http: 409, exit: 1, retry: false, fix: 'See `exit_code` and `output` for what the command said.' },
  sandbox_not_found: { http: 404, exit: 1, retry: false, fix: 'List them with `agentkernel sandbox list`.' },
  sandbox_not_running: { http: 409, exit: 1, retry: false, fix: 'Start it with `agentkernel sandbox start NAME`.' },
  sandbox_archived: {
    http: 409,
    exit: 1,
    retry: false,
    fix: 'Recover it first: POST /sandboxes/NAME/recover, or `agentkernel sandbox recover NAME`.',
  },
  sandbox_lost: { http: 502, exit: 1, retry: true, fix: 'The sandbox ended meanwhile; start it again.' },
  exec_not_found: { http: 404, exit: 1, retry: false, fix: 'List the commands with `agentkernel sandbox exec-list NAME`.' },
  file_not_found: { http: 404, exit: 1, retry: false, fix: 'Check the path inside the sandbox.' },
  file_exists: { http: 409, exit: 1, retry: false, fix: 'Name another path, or remove what is there.' },
  file_access: { http: 403, exit: 1, retry: false, fix: 'Choose a path that the sandbox itself may use that way.' },
  path_forbidden: { http: 403, exit: 1, retry: false, fix: 'Use an absolute path without `..`, outside /proc, /sys and /dev.' },
  unauthorized: { http: 401, exit: 1, retry: false, fix: 'Send the header `Authorization: Bearer KEY`.' },
  api_key_required: {
    http: 403,
    exit: 1,
    retry: false,
    fix: 'Start the server with --api-key-file and send a key, or leave that field out.',
  },
  route_not_found: { http: 404, exit: 1, retry: false, fix: 'See /docs for every route.' },
  method_not_allowed: { http: 405, exit: 1, retry: false, fix: 'See /docs for every route.' },
  payload_too_large: { http: 413, exit: 1, retry: false, fix: 'Send less, or use the raw streaming routes.' },
  idempotency_mismatch: { http: 422, exit: 1, retry: false, fix: 'Use a new Idempotency-Key for a new request.' },
  busy: { http: 409, exit: 1, retry: true, fix: 'Wait until the other request is done.' },
  store_failed: { http: 500, exit: 1, retry: true, fix: 'Check that the data folder is writable and has space.' },
  daemon_unreachable: { http: 503, exit: 1, retry: true, fix: 'See `agentkernel daemon status` and the daemon log it names.' },
  vault_locked: {
    http: 503,
    exit: 1,
    retry: true,
    fix: 'Unlock the keychain or put the key file back; without the key, move the vault away and set the secrets again.',
  },
  vault_damaged: {
    http: 500,
    exit: 1,
    retry: false,
    fix: 'Put the file back from a backup; or move it away, and set the secrets again with `agentkernel secret set`.',
  },
  vault_unsafe: {
    http: 500,
    exit: 1,
    retry: false,
    fix: 'Make it yours alone: a folder of mode 0700, files of mode 0600, no symbolic links.',
  },
  vault_read_only: {
    http: 409,
    exit: 1,
    retry: false,
    fix: 'Set the variable in your environment, or choose `backend = "file"` under [secrets] of your user config.',
  },
  address_in_use: { http: 500, exit: 1, retry: true, fix: 'Choose another port with --port.' },
  shutting_down: { http: 503, exit: 1, retry: true, fix: 'Try again in a moment.' },
  too_many_requests: { http: 429, exit: 1, retry: true, fix: 'Wait a moment and try again.' },
  internal: { http: 500, exit: 70, retry: false, fix: 'This is a bug in agentkernel; please report it with the stack.' },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof rows
export const ERRORS: Readonly<Record<ErrorCode, ErrorRow>> = rows

/** Which family of exit codes a command uses: its own result (`plain`), or another command's (`proxy`). */
export type ExitFamily = 'plain' | 'proxy'

/** The one class for expected failures. `detail` names the thing and the value; the fix comes from the table unless given. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly fix: string

  constructor(code: ErrorCode, detail: string, options: { readonly cause?: unknown; readonly fix?: string } = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.fix = options.fix ?? ERRORS[code].fix
  }
}

/**
 * True for an `AppError` of this copy of the module or of another (two may be loaded), optionally of one code. A code that
 * only the other copy knows has no row here, so its error is none of ours.
 */
export function isAppError(error: unknown, code?: ErrorCode): error is AppError {
  if (!(error instanceof Error) || error.name !== 'AppError' || !('code' in error)) return false
  if (typeof error.code !== 'string' || !Object.hasOwn(ERRORS, error.code)) return false
  return code === undefined || error.code === code
}

/** The exit status for a failure of `code` in a command of `family`. */
export function exitCodeOf(code: ErrorCode, family: ExitFamily): number {
  const row = ERRORS[code]
  if (family === 'plain') return row.exit
  return row.proxyExit ?? 125
}
