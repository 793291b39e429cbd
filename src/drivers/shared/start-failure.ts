import { AppError } from '../../contract/errors.ts'
import type { StatusLine } from './status-lines.ts'

const ENOSPC = 28
const EDQUOT = 122

/** The error that a line about a failed start stands for. */
export function startFailure(line: StatusLine): AppError {
  const detail = line.detail ?? 'unknown error'
  if (line.step === 'user namespace') return noUserNamespaces(detail)
  if (line.errno === ENOSPC || line.errno === EDQUOT) {
    return new AppError('disk_full', `no space left while preparing the sandbox (${line.step})`)
  }
  return new AppError('sandbox_start_failed', `cannot prepare the sandbox: ${line.step}: ${detail}`)
}

/** The kernel's words for it mislead: a limit of zero is "no space left on device". */
function noUserNamespaces(detail: string): AppError {
  return new AppError('sandbox_start_failed', `this system does not let you make user namespaces (${detail})`, {
    fix: 'Allow them, for example with `sudo sysctl user.max_user_namespaces=15000`, or run as root; `agentkernel doctor` tells more.',
  })
}

/** The error of a helper that could not be started. */
export function cannotStart(helperPath: string, error: unknown): AppError {
  return new AppError('backend_unavailable', `cannot start ${helperPath}: ${error instanceof Error ? error.message : String(error)}`, {
    cause: error,
    fix: 'Build agentkernel again, so that its helper is beside it.',
  })
}
