import { randomBytes } from 'node:crypto'
import { expect } from 'bun:test'
import type { ConformanceCase } from '../kit.ts'
import { exitOf } from '../kit.ts'

const MIB = 1024 ** 2

/** Every byte value, among them NUL and what is no UTF-8, then enough noise to fill a pipe many times. */
function hostileBytes(): Buffer {
  return Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, value) => value)), randomBytes(MIB)])
}

/** Bytes in and out: apart, exact, and ended when the command ends. */
export const streamCases: readonly ConformanceCase[] = [
  {
    name: 'standard output and standard error stay apart',
    run: async ({ run }) => {
      const { stdout, stderr } = await run({ command: ['sh', '-c', `printf out; printf err >&2; printf ' more'`] })
      expect(stdout.toString()).toBe('out more')
      expect(stderr.toString()).toBe('err')
    },
  },
  {
    name: 'output with NUL and invalid UTF-8 arrives byte for byte',
    run: async ({ run }) => {
      const { stdout, stderr } = await run({ command: ['sh', '-c', `printf 'a\\000b\\377\\300\\n'; printf '\\376\\000' >&2`] })
      expect([...stdout]).toEqual([0x61, 0, 0x62, 0xff, 0xc0, 0x0a])
      expect([...stderr]).toEqual([0xfe, 0])
    },
  },
  {
    name: 'a mebibyte of any bytes goes in and comes out unchanged',
    run: async ({ run }) => {
      const bytes = hostileBytes()
      const { stdout, stderr, outcome } = await run({ command: ['cat'] }, bytes)
      expect(stdout.equals(bytes)).toBe(true)
      expect(stderr).toHaveLength(0)
      expect(exitOf(outcome)).toEqual({ ended: 'exited', status: 0 })
    },
  },
  {
    name: 'a command sees the end of an empty standard input',
    run: async ({ run }) => expect((await run({ command: ['cat'] })).stdout).toHaveLength(0),
  },
  {
    name: 'input that arrives after the start is passed on at once',
    run: async ({ start }) => {
      const running = start({ command: ['cat'] })
      await running.started
      for (const word of ['first', 'second']) {
        await running.write(Buffer.from(word))
        await running.stdout.includes(word)
      }
      running.endInput()
      expect((await running.done).stdout.toString()).toBe('firstsecond')
    },
  },
  {
    name: 'input that nobody reads does not hold the run up',
    run: async ({ run }) => {
      const { outcome } = await run({ command: ['true'] }, hostileBytes())
      expect(exitOf(outcome)).toEqual({ ended: 'exited', status: 0 })
    },
  },
  {
    name: 'output written just before the end is not lost',
    run: async ({ run }) => {
      for (let i = 0; i < 5; i++) {
        const { stdout, stderr } = await run({ command: ['sh', '-c', 'echo last words; echo and errors >&2; exit 3'] })
        expect(`${stdout}${stderr}`).toBe('last words\nand errors\n')
      }
    },
  },
  {
    name: 'a writer whose reader goes away is ended by SIGPIPE',
    run: async ({ start }) => {
      const running = start({ command: ['yes'] })
      await running.stdout.includes('y\n')
      await running.stdout.abandon()
      expect(exitOf((await running.done).outcome)).toEqual({ ended: 'signaled', signal: 13 })
    },
  },
]
