import { expect } from 'bun:test'
import type { ConformanceCase } from '../kit.ts'
import { exitOf } from '../kit.ts'

const statuses = [0, 1, 42, 255].map((status): ConformanceCase => ({
  name: `exit status ${status} arrives as it is`,
  run: async ({ run }) => {
    const { outcome } = await run({ command: ['sh', '-c', `exit ${status}`] })
    expect(exitOf(outcome)).toEqual({ ended: 'exited', status })
  },
}))

/** How a command may end, and what cannot start at all. */
export const endCases: readonly ConformanceCase[] = [
  ...statuses,
  {
    name: 'a command that kills itself ended by signal 9',
    run: async ({ run }) => {
      const { outcome } = await run({ command: ['sh', '-c', 'kill -9 $$'] })
      expect(exitOf(outcome)).toEqual({ ended: 'signaled', signal: 9 })
    },
  },
  {
    name: 'a command that terminates itself ended by signal 15',
    run: async ({ run }) => {
      const { outcome } = await run({ command: ['sh', '-c', 'kill -TERM $$; sleep 1000'] })
      expect(exitOf(outcome)).toEqual({ ended: 'signaled', signal: 15 })
    },
  },
  {
    name: 'a command without a shell around it reports its own status',
    run: async ({ run }) => {
      expect(exitOf((await run({ command: ['true'] })).outcome)).toEqual({ ended: 'exited', status: 0 })
      expect(exitOf((await run({ command: ['false'] })).outcome)).toEqual({ ended: 'exited', status: 1 })
    },
  },
  {
    name: 'a command that does not exist is command_not_found',
    run: async ({ refused }) => {
      expect(await refused({ command: ['no-such-command-5e1f'] })).toBe('command_not_found')
      expect(await refused({ command: ['/usr/bin/no-such-command-5e1f'] })).toBe('command_not_found')
    },
  },
  {
    name: 'a file without the execute bit is command_not_executable',
    run: async ({ refused }) => expect(await refused({ command: ['/etc/passwd'] })).toBe('command_not_executable'),
  },
  {
    name: 'a folder is command_not_executable',
    run: async ({ refused }) => expect(await refused({ command: ['/usr'] })).toBe('command_not_executable'),
  },
  {
    name: 'a status of 126 or 127 of the command itself is a result and not an error',
    run: async ({ run }) => {
      for (const status of [125, 126, 127]) {
        const { outcome } = await run({ command: ['sh', '-c', `exit ${status}`] })
        expect(exitOf(outcome)).toEqual({ ended: 'exited', status })
      }
    },
  },
  {
    name: 'a script without an interpreter line that exists is an error and not a hang',
    run: async ({ run }) => {
      const script = `printf '#!/no/such/interpreter\\n' > /tmp/script; chmod +x /tmp/script; /tmp/script; echo "status $?"`
      const { stdout } = await run({ command: ['sh', '-c', script] })
      expect(stdout.toString()).toMatch(/^status 12[67]\n$/)
    },
  },
  {
    name: 'a working directory that does not exist is workdir_not_found',
    run: async ({ refused }) => expect(await refused({ command: ['true'], cwd: '/no/such/folder' })).toBe('workdir_not_found'),
  },
  {
    name: 'a command starts in the directory it is given',
    run: async ({ run }) => expect((await run({ command: ['pwd'], cwd: '/usr' })).stdout.toString()).toBe('/usr\n'),
  },
]
