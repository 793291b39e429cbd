import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeView } from '../../../test/conformance/make-spec.ts'
import { makeSandboxSpec, refusal } from '../../../test/conformance/sandbox-kit.ts'
import { removeTree } from '../../lib/remove-tree.ts'
import type { SandboxHandle } from '../driver.ts'
import { identityOf } from './process.ts'
import { claimRuntimeFolder } from './runtime-folder.ts'
import { type Isolation, SandboxKeeper } from './sandbox-keeper.ts'
import { type Live, readLive, sandboxFolder, sandboxIds, writeLive } from './sandbox-folder.ts'

const helperPath = join(import.meta.dir, '../../../build/agentkernel-guest')
const missing = existsSync(helperPath) ? '' : ' (needs the helper to be built)'
const { signal } = new AbortController()

let base: string
let options: { dataDir: string; runtimeDir: string; helperPath: string; version: string }
const released: string[] = []
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'kp-')))
  options = { dataDir: join(base, 'data'), runtimeDir: join(base, 'run'), helperPath, version: '0.0.0' }
  released.length = 0
})
afterEach(() => removeTree(base))

const plain: Isolation = {
  driver: 'plain',
  check: () => undefined,
  newOwner: () => undefined,
  guest: () => ({ env: {}, cwd: '/' }),
  begin: () => Promise.resolve({ orders: { mode: 'none', agent_spec: { limits: [], version: '0.0.0' } }, settle: () => ({ notices: [] }) }),
  limits: { release: (id) => Promise.resolve(void released.push(id)), ids: () => [], usage: () => ({}) },
}
const keeperOf = (isolation: Partial<Isolation> = {}): SandboxKeeper => new SandboxKeeper(options, { ...plain, ...isolation })

describe.skipIf(missing !== '')(`what a sandbox has on disk${missing}`, () => {
  test('is whole once it has a workspace; half a copy is made anew', async () => {
    const keeper = keeperOf()
    mkdirSync(join(base, 'project'))
    writeFileSync(join(base, 'project/a'), 'a')
    const spec = makeSandboxSpec({ workspace: makeView(join(base, 'project'), 'copy') })
    const folder = sandboxFolder(options.dataDir, spec.id)
    // As a crash in the middle of a copy leaves it.
    for (const part of [folder.home, folder.log, folder.fresh]) mkdirSync(part, { recursive: true })
    writeFileSync(join(folder.fresh, 'half'), '')
    const handle = keeper.plan(spec)
    expect(await keeper.inspect(handle)).toBe('gone')
    await keeper.create(handle, spec, signal)
    expect(readdirSync(folder.upper)).toEqual(['a'])
    expect(readdirSync(folder.path).toSorted()).toEqual(['home', 'log', 'upper'])
    expect(await keeper.inspect(handle)).toBe('stopped')
    await keeper.destroy(handle, signal)
  })

  test('can be entered by nobody else, whatever our mask is', async () => {
    const before = process.umask(0)
    try {
      const keeper = keeperOf()
      const spec = makeSandboxSpec({})
      await keeper.create(keeper.plan(spec), spec, signal)
      const folder = sandboxFolder(options.dataDir, spec.id)
      const modes = [join(options.dataDir, 'sandboxes'), folder.path, folder.log, folder.home, folder.upper].map(
        (path) => statSync(path).mode & 0o777,
      )
      expect(modes).toEqual([0o700, 0o700, 0o700, 0o755, 0o755])
    } finally {
      process.umask(before)
    }
  })

  test('is listed by its id, and nothing else is', () => {
    expect(sandboxIds(options.dataDir)).toEqual([])
    const id = crypto.randomUUID()
    for (const name of [id, 'lost+found', 'a', `${id}.old`]) mkdirSync(join(options.dataDir, 'sandboxes', name), { recursive: true })
    expect(sandboxIds(options.dataDir)).toEqual([id])
  })

  test('cannot be made where a file is in the way', async () => {
    writeFileSync(options.dataDir, '')
    const keeper = keeperOf()
    const spec = makeSandboxSpec({})
    expect(await refusal(() => keeper.create(keeper.plan(spec), spec, signal))).toBe('sandbox_start_failed')
  })
})

describe.skipIf(missing !== '')(`who runs a sandbox${missing}`, () => {
  /** A sandbox that was made, and a note on disk about who runs it. */
  async function noted(keeper: SandboxKeeper, live: Partial<Live>): Promise<SandboxHandle> {
    const spec = makeSandboxSpec({})
    const handle = await keeper.create(keeper.plan(spec), spec, signal)
    const runtime_dir = claimRuntimeFolder(options.runtimeDir, { sandbox: spec.id, folder: sandboxFolder(options.dataDir, spec.id).path })
    writeLive(sandboxFolder(options.dataDir, spec.id), { ...identityOf(process.pid)!, runtime_dir, ready: true, ...live })
    return handle
  }

  test.each([
    ['an earlier process of that number', { start_time: '1' }],
    ['a process of an earlier boot', { boot_id: 'earlier' }],
    ['a process that is gone', { pid: 2 ** 22 + 1 }],
  ])('is not %s: the sandbox is stopped, and nobody is ended for it', async (_, live) => {
    const keeper = keeperOf()
    const handle = await noted(keeper, live)
    expect(await keeper.inspect(handle)).toBe('stopped')
    await keeper.stop(handle, 0, signal)
    expect(readdirSync(options.runtimeDir)).toEqual([])
    expect(readLive(sandboxFolder(options.dataDir, handle.id))).toBeUndefined()
    expect(released).toEqual([handle.id])
    await keeper.destroy(handle, signal)
    expect(await keeper.inspect(handle)).toBe('gone')
  })

  test('is nobody when the note is damaged', async () => {
    const keeper = keeperOf()
    const handle = await noted(keeper, {})
    writeFileSync(sandboxFolder(options.dataDir, handle.id).live, '{"pid":')
    expect(await keeper.inspect(handle)).toBe('stopped')
    await keeper.stop(handle, 0, signal)
  })

  test('is told from the handle when somebody removed the folder', async () => {
    const keeper = keeperOf()
    const spec = makeSandboxSpec({})
    const handle = await keeper.start(await keeper.create(keeper.plan(spec), spec, signal), spec, signal)
    rmSync(sandboxFolder(options.dataDir, spec.id).path, { recursive: true })
    expect(await keeper.inspect(handle)).toBe('running')
    await keeper.destroy(handle, signal)
    expect(await keeper.inspect(handle)).toBe('gone')
    expect(readdirSync(options.runtimeDir)).toEqual([])
  })

  test('is ended first when its start was never finished', async () => {
    const keeper = keeperOf()
    const spec = makeSandboxSpec({})
    const handle = await keeper.start(await keeper.create(keeper.plan(spec), spec, signal), spec, signal)
    const folder = sandboxFolder(options.dataDir, spec.id)
    const before = readLive(folder)!
    // As a crash of ours before its agent answered leaves it.
    writeLive(folder, { ...before, ready: false })
    const again = await keeper.start(handle, spec, signal)
    expect(readLive(folder)!.pid).not.toBe(before.pid)
    expect(identityOf(before.pid)).toBeUndefined()
    await keeper.destroy(again, signal)
  })

  test('is written down before the shim has its orders, and not at all when it cannot be started', async () => {
    const spec = makeSandboxSpec({})
    const broken = keeperOf({ begin: () => Promise.reject(new Error('a bug')) })
    const handle = await broken.create(broken.plan(spec), spec, signal)
    await expect(broken.start(handle, spec, signal)).rejects.toThrow('a bug')
    const refused = keeperOf({ begin: () => Promise.resolve({ orders: { mode: 'none' }, settle: () => ({ notices: [] }) }) })
    expect(await refusal(() => refused.start(handle, spec, signal))).toBe('sandbox_start_failed')
    expect(readLive(sandboxFolder(options.dataDir, spec.id))).toBeUndefined()
    expect(readdirSync(options.runtimeDir)).toEqual([])
    expect(await refused.inspect(handle)).toBe('stopped')
  })
})

describe.skipIf(missing !== '')(`sweeping${missing}`, () => {
  test('leaves sandboxes of another data folder alone that share the runtime folder', async () => {
    const theirs = claimRuntimeFolder(options.runtimeDir, { sandbox: 'x', folder: '/other/sandboxes/x' })
    const ours = claimRuntimeFolder(options.runtimeDir, { sandbox: 'y', folder: join(options.dataDir, 'sandboxes/y') })
    expect(await keeperOf().sweep(() => false, signal)).toBe(1)
    expect([existsSync(theirs), existsSync(ours)]).toEqual([true, false])
  })

  test('asks only after it has looked, and goes on past one that cannot be removed', async () => {
    const ids = [crypto.randomUUID(), crypto.randomUUID()]
    const keeper = keeperOf({
      limits: {
        ...plain.limits,
        ids: () => ids,
        release: (id) => (id === ids[0] ? Promise.reject(new Error('stuck')) : Promise.resolve(void released.push(id))),
      },
    })
    const asked: string[] = []
    expect(await keeper.sweep((id) => asked.push(id) < 0, signal)).toBe(1)
    expect(asked).toEqual(ids)
    expect(released).toEqual([ids[1]!])
  })
})

describe.skipIf(missing !== '' || process.getuid?.() !== 0)(`owners${missing === '' ? ' (needs root)' : missing}`, () => {
  test('are written down with the files, kept for life, and no two sandboxes have the same', async () => {
    // Whoever asks would get the same.
    const newOwner: Isolation['newOwner'] = (_, taken) => {
      let uid = 899_950_000
      while (taken().has(uid)) uid++
      return { uid, gid: uid }
    }
    const uidOf = (id: string): number => statSync(sandboxFolder(options.dataDir, id).home).uid
    const specs = [1, 2, 3].map(() => makeSandboxSpec({}))
    const first = keeperOf({ newOwner })
    await Promise.all(specs.slice(0, 2).map((spec) => first.create(first.plan(spec), spec, signal)))
    // Another object of ours, as after a restart, knows them from the disk.
    const second = keeperOf({ newOwner })
    const handle = await second.create(second.plan(specs[2]!), specs[2]!, signal)
    expect(specs.map(({ id }) => uidOf(id))).toEqual([899_950_000, 899_950_001, 899_950_002])
    expect(handle.state).toMatchObject({ uid: 899_950_002, gid: 899_950_002 })
    // One that is gone leaves its place to another.
    await second.destroy(first.plan(specs[0]!), signal)
    const fourth = makeSandboxSpec({})
    await second.create(second.plan(fourth), fourth, signal)
    expect(uidOf(fourth.id)).toBe(899_950_000)
    expect(statSync(sandboxFolder(options.dataDir, fourth.id).upper).uid).toBe(899_950_000)
    for (const { id } of [...specs.slice(1), fourth]) await second.destroy({ driver: 'plain', version: 1, id, state: {} }, signal)
  })
})
