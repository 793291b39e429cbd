import { existsSync } from 'node:fs'
import { PROC_COVERED_FILES, PROC_READ_ONLY } from './host-allowlist.ts'
import { HOST_NAME, OWN_FOLDER, SANDBOX_ID } from './host-root.ts'

/** Where process 1 is inside, and an empty file to cover others with. */
export const INIT_PATH = `/${OWN_FOLDER}/init`
export const EMPTY_PATH = `/${OWN_FOLDER}/empty`

/**
 * bubblewrap's arguments: every namespace its own (that of the network is made before, by the helper, and belongs to nobody inside), no capability, no environment, the prepared root. They reach it
 * through a descriptor, so that no process list shows them. Each mount costs it a walk through all of them: keep few.
 */
export function bwrapArgs(input: { readonly terminal: boolean; readonly hostName?: string }): string[] {
  return [
    ...['--unshare-user', '--uid', `${SANDBOX_ID}`, '--gid', `${SANDBOX_ID}`],
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup'],
    ...[
      '--hostname',
      input.hostName ?? HOST_NAME,
      '--die-with-parent',
      '--as-pid-1',
      '--clearenv',
      '--setenv',
      'GOMAXPROCS',
      '1',
      '--cap-drop',
      'ALL',
    ],
    // In terminal mode the command stays in the session of its private terminal.
    ...(input.terminal ? [] : ['--new-session']),
    // The root is complete and read-only, devices included; of bubblewrap's own mounts only /proc must wait for its namespaces.
    ...['--dev-bind', '/', '/', '--proc', '/proc'],
    ...PROC_READ_ONLY.flatMap((name) => (existsSync(`/proc/${name}`) ? ['--ro-bind', `/proc/${name}`, `/proc/${name}`] : [])),
    ...PROC_COVERED_FILES.flatMap((name) => (existsSync(`/proc/${name}`) ? ['--ro-bind', EMPTY_PATH, `/proc/${name}`] : [])),
    ...['--chdir', '/'],
  ]
}
