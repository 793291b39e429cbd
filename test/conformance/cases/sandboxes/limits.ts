import { expect } from 'bun:test'
import { refusal, type SandboxCase } from '../../sandbox-kit.ts'

const MIB = 1024 ** 2
const claim: SandboxCase['claim'] = { says: 'limits are enforced on every machine', made: (facts) => facts.limits === 'enforced' }

/** `tail` keeps the last line in memory, and here everything is one line. */
const take = (mib: number): string => `head -c ${mib * MIB} /dev/zero | tail -n 1 | wc -c`

/** Attacks on the claim that limits hold for the whole sandbox. */
export const limitCases: readonly SandboxCase[] = [
  {
    name: 'a command that takes more memory than the limit does not get it, and the sandbox goes on',
    claim,
    run: async (kit) => {
      const box = await kit.start({ permissions: { memoryBytes: 96 * MIB, tmpBytes: 32 * MIB } })
      const { stdout } = await kit.exec(box, ['sh', '-c', take(200)])
      expect(stdout).not.toContain(String(200 * MIB))
      expect(await kit.sh(box, `echo on; ${take(8)}`)).toBe(`on\n${8 * MIB}\n`)
      const usage = kit.verbs.usage(box.handle)
      expect(usage.oomKills).toBeGreaterThanOrEqual(1)
      expect(usage.memoryPeakBytes).toBeLessThanOrEqual(97 * MIB)
    },
  },
  {
    name: 'several commands together get no more memory than the limit',
    claim,
    run: async (kit) => {
      const box = await kit.start({ permissions: { memoryBytes: 96 * MIB, tmpBytes: 32 * MIB } })
      const said = await Promise.all([1, 2, 3].map(() => kit.exec(box, ['sh', '-c', take(60)])))
      expect(said.filter(({ stdout }) => stdout.includes(String(60 * MIB))).length).toBeLessThan(3)
      expect(await kit.state(box)).toBe('running')
    },
  },
  {
    name: 'no more processes start than the limit allows, and the sandbox goes on',
    claim,
    run: async (kit) => {
      const box = await kit.start({ permissions: { pids: 64 } })
      const script = (count: number): string => `i=0; while [ $i -lt ${count} ]; do sleep 1000 & i=$((i+1)); done; echo all started`
      expect((await kit.exec(box, ['sh', '-c', script(200)])).stdout).not.toContain('all started')
      await kit.stop(box)
      await kit.start(box)
      expect(await kit.sh(box, script(10))).toBe('all started\n')
    },
  },
  {
    name: 'a fork bomb does not keep the sandbox from being stopped',
    claim,
    run: async (kit) => {
      const box = await kit.start({ permissions: { pids: 128 } })
      await kit.background(box, 'f() { f & f & wait; }; echo ready; f')
      await kit.stop(box, 100)
      expect(await kit.state(box)).toBe('stopped')
    },
  },
  {
    name: 'more memory and processes are there right after they were given',
    claim,
    run: async (kit) => {
      const box = await kit.start({ permissions: { memoryBytes: 96 * MIB, pids: 64, tmpBytes: 32 * MIB } })
      expect((await kit.exec(box, ['sh', '-c', take(150)])).stdout).not.toContain(String(150 * MIB))
      await kit.verbs.resize?.(box.handle, { memoryBytes: 512 * MIB, cpus: undefined, pids: 256 }, kit.signal)
      expect(await kit.sh(box, take(150))).toBe(`${150 * MIB}\n`)
      await kit.sh(box, 'i=0; while [ $i -lt 100 ]; do sleep 1000 & i=$((i+1)); done')
    },
  },
  {
    name: 'less memory holds at once, and less than is in use is refused',
    claim,
    run: async (kit) => {
      const box = await kit.start({ permissions: { memoryBytes: 512 * MIB, tmpBytes: 256 * MIB } })
      const limits = (mib: number) => ({ memoryBytes: mib * MIB, cpus: undefined, pids: 256 })
      await kit.sh(box, `head -c ${100 * MIB} /dev/zero > /tmp/fill`)
      expect(await refusal(() => kit.verbs.resize?.(box.handle, limits(64), kit.signal))).toBe('invalid_argument')
      await kit.sh(box, 'rm /tmp/fill')
      await kit.verbs.resize?.(box.handle, limits(96), kit.signal)
      expect((await kit.exec(box, ['sh', '-c', take(150)])).stdout).not.toContain(String(150 * MIB))
    },
  },
  {
    name: 'processor time that was taken is counted, and a limit on processors can be set and lifted',
    claim,
    run: async (kit) => {
      const box = await kit.start()
      await kit.sh(box, 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done')
      const { cpuMs, processes } = kit.verbs.usage(box.handle)
      if (cpuMs !== undefined) expect(cpuMs).toBeGreaterThan(10)
      expect(processes).toBe(1)
      for (const cpus of [0.5, undefined]) {
        const limits = { memoryBytes: 256 * MIB, cpus, pids: 256 }
        expect(['no error', 'not_available_yet']).toContain(await refusal(() => kit.verbs.resize?.(box.handle, limits, kit.signal)))
      }
      expect(await kit.sh(box, 'echo on')).toBe('on\n')
    },
  },
]
