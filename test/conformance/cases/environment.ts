import { expect } from 'bun:test'
import type { ConformanceCase } from '../kit.ts'

const AWKWARD = [
  '',
  ' ',
  'two words',
  `it's "quoted"`,
  'line one\nline two\n',
  '$HOME `id` $(id) \\',
  'grüße 漢字 🚀',
  '--help',
  '-',
  '*',
  '%s',
  '\t',
]

/** What a command is born with: variables, arguments, descriptors, signals. */
export const environmentCases: readonly ConformanceCase[] = [
  {
    name: 'the environment is what the spec says, with PATH and HOME and nothing of ours',
    run: async ({ run }) => {
      const { stdout } = await run({ command: ['env'], env: { GIVEN: 'value', EMPTY: '' } })
      const lines = stdout.toString().trimEnd().split('\n')
      const names = lines.map((line) => line.slice(0, line.indexOf('=')))
      // PWD only repeats the working directory; some launchers cannot leave it out.
      expect(names.filter((name) => name !== 'PWD').sort()).toEqual(['EMPTY', 'GIVEN', 'HOME', 'PATH'])
      expect(lines).toContain('GIVEN=value')
      expect(lines).toContain('EMPTY=')
    },
  },
  {
    name: 'values of variables arrive unchanged',
    run: async ({ run }) => {
      for (const value of AWKWARD) {
        const { stdout } = await run({ command: ['printenv', 'AWKWARD'], env: { AWKWARD: value } })
        expect(stdout.toString()).toBe(`${value}\n`)
      }
    },
  },
  {
    name: 'PATH and HOME of the spec win over those of the driver',
    run: async ({ run }) => {
      const env = { PATH: '/usr/bin:/bin:/given', HOME: '/tmp/given-home' }
      expect((await run({ command: ['/usr/bin/printenv', 'PATH'], env })).stdout.toString()).toBe('/usr/bin:/bin:/given\n')
      expect((await run({ command: ['/usr/bin/printenv', 'HOME'], env })).stdout.toString()).toBe('/tmp/given-home\n')
    },
  },
  {
    name: 'arguments arrive unchanged',
    run: async ({ run }) => {
      const { stdout } = await run({ command: ['printf', '%s\\000', 'first', ...AWKWARD] })
      expect(stdout.toString()).toBe(['first', ...AWKWARD].map((word) => `${word}\0`).join(''))
    },
  },
  {
    name: 'an argument of 100 KiB arrives whole',
    run: async ({ run }) => {
      const long = 'x'.repeat(100 * 1024)
      expect((await run({ command: ['printf', '%s', long] })).stdout.toString()).toBe(long)
    },
  },
  {
    name: 'no signal is blocked or ignored when the command starts',
    run: async ({ run }) => {
      const { stdout } = await run({ command: ['grep', '-E', '^Sig(Blk|Ign):', '/proc/self/status'] })
      expect(stdout.toString()).toMatch(/^SigBlk:\t0+\nSigIgn:\t0+\n$/)
    },
  },
  {
    name: 'no descriptor but the three streams is open in the command',
    // The fourth is the folder that `ls` itself reads.
    run: async ({ run }) => expect((await run({ command: ['ls', '/proc/self/fd'] })).stdout.toString()).toBe('0\n1\n2\n3\n'),
  },
]
