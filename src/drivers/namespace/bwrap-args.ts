import { existsSync } from 'node:fs'
import { PROC_COVERED_FILES, PROC_READ_ONLY } from './host-allowlist.ts'
import { ROOT, SANDBOX_ID } from './host-root.ts'

/** Where process 1 is inside. */
export const INIT_PATH = '/.agentkernel-init'

/**
 * bubblewrap's arguments: every namespace its own, no capability, no environment, the prepared stage as the root. They
 * reach it through a descriptor, so that no process list shows them.
 */
export function bwrapArgs(input: { readonly stage: string; readonly terminal: boolean }): string[] {
  return [
    ...['--unshare-user', '--uid', `${SANDBOX_ID}`, '--gid', `${SANDBOX_ID}`],
    ...['--unshare-pid', '--unshare-net', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup'],
    ...['--hostname', 'agentkernel', '--die-with-parent', '--as-pid-1', '--clearenv', '--cap-drop', 'ALL'],
    // In terminal mode the command stays in the session of its private terminal.
    ...(input.terminal ? [] : ['--new-session']),
    ...['--bind', `${input.stage}/${ROOT}`, '/', '--proc', '/proc', '--dev', '/dev', '--bind', `${input.stage}/shm`, '/dev/shm', '--remount-ro', '/dev'],
    ...PROC_READ_ONLY.flatMap((name) => (existsSync(`/proc/${name}`) ? ['--ro-bind', `/proc/${name}`, `/proc/${name}`] : [])),
    ...PROC_COVERED_FILES.flatMap((name) => (existsSync(`/proc/${name}`) ? ['--ro-bind', `${input.stage}/empty`, `/proc/${name}`] : [])),
    ...['--remount-ro', '/', '--chdir', '/'],
  ]
}
