import { afterEach, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { PERMISSIONS } from '../../../../test/conformance/make-spec.ts'
import { refusal } from '../../../../test/conformance/sandbox-kit.ts'
import { CgroupFinder } from '../cgroup-finder.ts'
import { SandboxGroups } from './groups.ts'

const finder = new CgroupFinder({ uid: process.getuid?.() ?? 0, helperPath: '/nonexistent' })
const allowed = process.getuid?.() === 0 && finder.writable()
const dataDir = `/data/${crypto.randomUUID()}`
const id = crypto.randomUUID()

describe.skipIf(!allowed)('the groups of a sandbox that stays (needs root)', () => {
  const groups = new SandboxGroups(finder, dataDir)
  afterEach(() => groups.release(id, []))
  const create = (permissions = PERMISSIONS) => {
    const saved = groups.plan(id)!
    return { group: groups.create(saved, permissions)!, saved }
  }

  test('are found by the id of the sandbox, by those of the same data folder alone', () => {
    expect(groups.ids()).toEqual([])
    create()
    expect(groups.ids()).toEqual([id])
    expect(new SandboxGroups(finder, '/data/other').ids()).not.toContain(id)
  })

  test('count memory, processors and processes, also where no processor limit was asked for', () => {
    const { group, saved } = create({ ...PERMISSIONS, cpus: undefined })
    expect(group.procs.length).toBeGreaterThanOrEqual(saved.roots.version === 1 ? 3 : 1)
    expect(groups.usage(saved)).toMatchObject({ oomKills: 0, processes: 0 })
    expect(groups.usage(undefined)).toEqual({})
  })

  test('take new limits', () => {
    const { saved } = create()
    groups.resize(saved, { memoryBytes: 512 * 1024 ** 2, cpus: undefined, pids: 99 })
    expect(readFileSync(`${saved.roots.pids}/${saved.name}/pids.max`, 'utf8').trim()).toBe('99')
  })

  test('go with everything in them, and again when they are gone', async () => {
    const { group, saved } = create()
    const child = Bun.spawn(['sleep', '1000'])
    // Version 1 takes a single thread by its own file.
    for (const file of group.procs) writeFileSync(file, `${child.pid}`)
    await groups.release(id, [saved])
    expect(child.signalCode ?? (await child.exited, child.signalCode)).toBe('SIGKILL')
    expect(existsSync(`${saved.roots.memory}/${saved.name}`)).toBe(false)
    await groups.release(id, [saved])
  })
})

test('without groups limits cannot be changed while the sandbox runs', async () => {
  const groups = new SandboxGroups(finder, dataDir)
  expect(await refusal(() => groups.resize(undefined, { memoryBytes: 1, cpus: undefined, pids: 1 }))).toBe('not_available_yet')
})
