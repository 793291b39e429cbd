import type { Permissions } from '../../contract/permissions.ts'
import type { RunCgroup } from './cgroup.ts'
import type { StatusLine } from '../shared/status-lines.ts'

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

/** What a user should know about limits that turned out weaker than the machine had promised. */
export function limitNotices(lines: readonly StatusLine[], group: Pick<RunCgroup, 'cpuHolds'> | undefined): string[] {
  const refused = lines.find((line) => line.ungrouped === true)
  if (refused !== undefined) {
    return [
      `memory was limited for each process instead of for the sandbox, and processors were not: ${refused.detail ?? 'unknown reason'}.`,
    ]
  }
  return group?.cpuHolds === false ? ['the limit on processors was not in force: this system does not let users set it.'] : []
}
