import { expect } from 'bun:test'
import type { ConformanceCase } from '../kit.ts'
import { exitOf } from '../kit.ts'

const forwarded = (['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1'] as const).map((signal): ConformanceCase => ({
  name: `${signal} reaches a command that handles it`,
  run: async ({ start }) => {
    const script = `trap "echo got ${signal}; exit 7" ${signal.slice(3)}; echo ready; sleep 1000 & wait`
    const running = start({ command: ['sh', '-c', script] })
    await running.stdout.includes('ready')
    await running.send(signal)
    const { outcome, stdout } = await running.done
    expect(exitOf(outcome)).toEqual({ ended: 'exited', status: 7 })
    expect(stdout.toString()).toBe(`ready\ngot ${signal}\n`)
  },
}))

const fatal = (
  [
    ['SIGTERM', 15],
    ['SIGINT', 2],
    ['SIGKILL', 9],
  ] as const
).map(([signal, number]): ConformanceCase => ({
  name: `${signal} ends a command that does not handle it`,
  run: async ({ start }) => {
    const running = start({ command: ['sh', '-c', 'echo ready; exec sleep 1000'] })
    await running.stdout.includes('ready')
    await running.send(signal)
    expect(exitOf((await running.done).outcome)).toEqual({ ended: 'signaled', signal: number })
  },
}))

/** Ends that come from outside, several runs at once, and what must not outlive a run. */
export const lifetimeCases: readonly ConformanceCase[] = [
  {
    name: 'a grandchild that holds standard output does not keep the run alive',
    run: async ({ run }) => {
      const { outcome, stdout } = await run({ command: ['sh', '-c', 'sleep 1000 & echo hi'] })
      expect(exitOf(outcome)).toEqual({ ended: 'exited', status: 0 })
      expect(stdout.toString()).toBe('hi\n')
    },
  },
  {
    name: 'the time limit ends a command',
    run: async ({ run }) => {
      const { outcome, stdout } = await run({ command: ['sh', '-c', 'echo before; sleep 1000; echo after'], timeoutMs: 300 })
      expect(outcome.ended).toBe('timed_out')
      expect(stdout.toString()).not.toContain('after')
    },
  },
  {
    name: 'the time limit ends a command that ignores SIGTERM',
    run: async ({ run }) => {
      const { outcome } = await run({ command: ['sh', '-c', 'trap "" TERM INT HUP; sleep 1000; sleep 1000'], timeoutMs: 300 })
      expect(outcome.ended).toBe('timed_out')
    },
  },
  {
    name: 'a command that ends before its time limit is not touched by it',
    run: async ({ run }) => {
      const { outcome } = await run({ command: ['sh', '-c', 'exit 5'], timeoutMs: 60_000 })
      expect(exitOf(outcome)).toEqual({ ended: 'exited', status: 5 })
    },
  },
  {
    name: 'a caller that gives up ends the run as canceled',
    run: async ({ start }) => {
      const running = start({ command: ['sh', '-c', 'trap "" TERM INT HUP; echo ready; sleep 1000'] })
      await running.stdout.includes('ready')
      running.abort()
      expect((await running.done).outcome.ended).toBe('canceled')
    },
  },
  {
    name: 'a caller that gave up before the start gets canceled',
    run: async ({ start }) => {
      const running = start({ command: ['sleep', '1000'] })
      running.abort()
      expect((await running.done).outcome.ended).toBe('canceled')
    },
  },
  ...forwarded,
  ...fatal,
  {
    name: 'two runs at once do not mix',
    run: async ({ start }) => {
      const pair = [start({ command: ['cat'] }), start({ command: ['cat'] })] as const
      await Promise.all(pair.map((running) => running.started))
      await pair[0].write(Buffer.from('for the first'))
      await pair[1].write(Buffer.from('for the second'))
      // The first ends while the second still reads.
      pair[0].endInput()
      expect((await pair[0].done).stdout.toString()).toBe('for the first')
      pair[1].endInput()
      expect((await pair[1].done).stdout.toString()).toBe('for the second')
    },
  },
  {
    name: 'twenty runs at once all end with their own output and status',
    run: async ({ run }) => {
      const runs = Array.from({ length: 20 }, (_, i) => run({ command: ['sh', '-c', `echo run ${i}; exit ${i}`] }))
      for (const [i, { outcome, stdout }] of (await Promise.all(runs)).entries()) {
        expect(exitOf(outcome)).toEqual({ ended: 'exited', status: i })
        expect(stdout.toString()).toBe(`run ${i}\n`)
      }
    },
  },
  {
    name: 'recovering when nothing was left behind finds nothing, again and again',
    run: async ({ driver, run }) => {
      const { signal } = new AbortController()
      await run({ command: ['true'] })
      expect(await driver.recover(signal)).toBe(0)
      expect(await driver.recover(signal)).toBe(0)
    },
  },
  {
    name: 'recovering never touches a live run',
    run: async ({ driver, start }) => {
      const running = start({ command: ['cat'] })
      await running.started
      await running.write(Buffer.from('before '))
      await running.stdout.includes('before')
      expect(await driver.recover(new AbortController().signal)).toBe(0)
      await running.write(Buffer.from('after'))
      running.endInput()
      const { outcome, stdout } = await running.done
      expect(exitOf(outcome)).toEqual({ ended: 'exited', status: 0 })
      expect(stdout.toString()).toBe('before after')
    },
  },
  {
    name: 'probing finds the driver usable, twice',
    run: async ({ driver }) => {
      const { signal } = new AbortController()
      for (let i = 0; i < 2; i++) {
        const { usable, findings } = await driver.probe(signal)
        expect(findings.filter(({ status }) => status === 'error')).toEqual([])
        expect(usable).toBe(true)
      }
    },
  },
]
