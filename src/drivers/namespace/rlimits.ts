import type { Permissions } from '../../contract/permissions.ts'

/** Resource numbers of `setrlimit(2)`, the same on x86-64 and arm64. */
const RLIMIT_DATA = 2
const RLIMIT_NPROC = 6

/**
 * Limits for machines where we may not make control groups. They are weaker: memory is counted for each process, not
 * for the sandbox, and processes for the user id. `doctor` says so.
 */
export function limitsWithoutCgroup(permissions: Permissions): { readonly resource: number; readonly value: number }[] {
  return [
    { resource: RLIMIT_DATA, value: permissions.memoryBytes },
    { resource: RLIMIT_NPROC, value: permissions.pids },
  ]
}
