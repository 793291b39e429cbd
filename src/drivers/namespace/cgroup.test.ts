import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'bun:test'
import { findCgroupRoots, RunCgroup } from './cgroup.ts'

const HYBRID = [
  '24 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
  '31 23 0:30 / /sys/fs/cgroup/memory rw,nosuid shared:5 - cgroup cgroup rw,memory',
  '32 23 0:31 / /sys/fs/cgroup/pids rw,nosuid - cgroup cgroup rw,pids',
  '33 23 0:32 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct',
  '34 23 0:33 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw',
].join('\n')
const UNIFIED = '29 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate'

describe('where groups can be made', () => {
  test('on version 1, also beside a version 2, below our own group of each controller', () => {
    const self = '9:memory:/service/a\n8:pids:/\n3:cpu,cpuacct:/x\n0::/'
    expect(findCgroupRoots(self, HYBRID)).toEqual({
      version: 1,
      memory: '/sys/fs/cgroup/memory/service/a/agentkernel',
      pids: '/sys/fs/cgroup/pids/agentkernel',
      cpu: '/sys/fs/cgroup/cpu,cpuacct/x/agentkernel',
    })
  })

  test('on version 1 processor time may be counted in a place of its own', () => {
    const mounts = ['memory', 'cpu', 'cpuacct'].map((name) => `3 2 0:3 / /cg/${name} rw - cgroup cgroup rw,${name}`).join('\n')
    expect(findCgroupRoots('1:memory:/\n2:cpu:/\n3:cpuacct:/', mounts)?.cpuacct).toBe('/cg/cpuacct/agentkernel')
  })

  test('in a container that sees only its own part of the tree', () => {
    const mounts = '31 23 0:30 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory'
    expect(findCgroupRoots('9:memory:/docker/abc', mounts)?.memory).toBe('/sys/fs/cgroup/memory/agentkernel')
  })

  test('on version 2, at the top for a service of the system', () => {
    expect(findCgroupRoots('0::/system.slice/ssh.service', UNIFIED)?.memory).toBe('/sys/fs/cgroup/agentkernel')
  })

  test("on version 2, in the part that belongs to the user's manager", () => {
    const self = '0::/user.slice/user-1000.slice/user@1000.service/app.slice/terminal.scope'
    expect(findCgroupRoots(self, UNIFIED)?.memory).toBe('/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/agentkernel')
  })

  test('nowhere when none are mounted', () => {
    expect(findCgroupRoots('0::/', '24 1 254:0 / / rw,relatime - ext4 /dev/vda rw')).toBeUndefined()
    expect(findCgroupRoots('', '')).toBeUndefined()
  })
})

describe('a group', () => {
  const roots = findCgroupRoots(readFileSync('/proc/self/cgroup', 'utf8'), readFileSync('/proc/self/mountinfo', 'utf8'))
  const allowed = process.getuid?.() === 0 && roots !== undefined
  const name = `cgrouptest.${process.pid}.0`

  test.skipIf(!allowed)('has its limits, and is gone after its release, also a second time', () => {
    const group = RunCgroup.create(roots!, name, { memoryBytes: 64 * 1024 ** 2, pids: 17, cpus: 0.5 })
    const folder = `${roots!.memory}/${name}`
    const limit = readFileSync(`${folder}/${roots!.version === 1 ? 'memory.limit_in_bytes' : 'memory.max'}`, 'utf8')
    expect(Number(limit)).toBe(64 * 1024 ** 2)
    expect(readFileSync(`${roots!.pids}/${name}/pids.max`, 'utf8').trim()).toBe('17')
    expect(group.usage().oomKills).toBe(0)
    expect(group.release()).toBe(true)
    expect(existsSync(folder)).toBe(false)
    expect(group.release()).toBe(true)
  })

  const unified = /^\S+ \S+ \S+ \/ (\S+) .* - cgroup2 /m.exec(readFileSync('/proc/self/mountinfo', 'utf8'))?.[1]
  const noCpu = unified !== undefined && !/\bcpu\b/.test(readFileSync(`${unified}/cgroup.controllers`, 'utf8'))
  test.skipIf(!allowed || !noCpu)('(where version 2 has no processor controller) keeps its other limits and knows of the gap', () => {
    const group = RunCgroup.create({ version: 2, cpu: unified! }, name, { memoryBytes: 1 << 26, pids: 17, cpus: 0.5 })
    expect(group.cpuHolds).toBe(false)
    expect(group.release()).toBe(true)
  })

  test.skipIf(!allowed)('whose limit the kernel refuses leaves nothing behind', () => {
    expect(() => RunCgroup.create(roots!, name, { memoryBytes: Number.NaN, pids: 17, cpus: undefined })).toThrow()
    expect(existsSync(`${roots!.memory}/${name}`)).toBe(false)
  })
})
