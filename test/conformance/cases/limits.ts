import { expect } from 'bun:test'
import type { ConformanceCase } from '../kit.ts'

const MIB = 1024 ** 2
const claim: ConformanceCase['claim'] = { says: 'limits are enforced on every machine', made: (facts) => facts.limits === 'enforced' }

/** `tail` keeps the last line in memory, and here everything is one line. */
const TAKE_200_MIB = `head -c ${200 * MIB} /dev/zero | tail -n 1 | wc -c`

/** Attacks on the claim that limits hold. Each command takes a bounded amount, so that a false claim harms nobody. */
export const limitCases: readonly ConformanceCase[] = [
  {
    name: 'a command that takes more memory than its limit does not get it',
    claim,
    run: async ({ run }) => {
      const { stdout } = await run({
        command: ['sh', '-c', TAKE_200_MIB],
        permissions: { memoryBytes: 64 * MIB, tmpBytes: 32 * MIB },
      })
      expect(stdout.toString()).not.toContain(String(200 * MIB))
    },
  },
  {
    name: 'a command killed for its memory ended as out_of_memory with its peak',
    claim,
    run: async ({ run }) => {
      // The command itself is what grows, so nothing but its own end can be reported.
      const { outcome } = await run({
        command: ['sh', '-c', `mkfifo /tmp/pipe; head -c ${400 * MIB} /dev/zero > /tmp/pipe & exec tail -n 1 /tmp/pipe > /dev/null`],
        permissions: { memoryBytes: 64 * MIB, tmpBytes: 32 * MIB },
      })
      expect(outcome.ended).toBe('out_of_memory')
      if (outcome.memoryPeakBytes !== undefined) expect(outcome.memoryPeakBytes).toBeLessThanOrEqual(65 * MIB)
    },
  },
  {
    name: 'the same command gets its memory when the limit allows it',
    claim,
    run: async ({ sh }) => expect(Number(await sh(TAKE_200_MIB, { permissions: { memoryBytes: 1024 * MIB } }))).toBe(200 * MIB),
  },
  {
    name: 'memory written to /tmp counts against the limit',
    claim,
    run: async ({ run }) => {
      const script = `head -c ${200 * MIB} /dev/zero > /tmp/fill && echo filled`
      const { stdout } = await run({ command: ['sh', '-c', script], permissions: { memoryBytes: 64 * MIB, tmpBytes: 256 * MIB } })
      expect(stdout.toString()).not.toContain('filled')
    },
  },
  {
    name: 'no more processes start than the limit allows',
    claim,
    run: async ({ run }) => {
      const script = (count: number): string => `i=0; while [ $i -lt ${count} ]; do sleep 1000 & i=$((i+1)); done; echo all started`
      const many = await run({ command: ['sh', '-c', script(200)], permissions: { pids: 48 } })
      expect(many.stdout.toString()).not.toContain('all started')
      const few = await run({ command: ['sh', '-c', script(10)], permissions: { pids: 48 } })
      expect(few.stdout.toString()).toBe('all started\n')
    },
  },
]
