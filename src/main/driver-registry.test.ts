import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { availableBackends, chooseDriver, createDrivers } from './driver-registry.ts'
import { resolvePaths } from './paths.ts'

const PATHS = resolvePaths({ HOME: '/nonexistent/home' }, '/nonexistent/agentkernel')
const DRIVERS = join(import.meta.dir, '../drivers')
/** Named in the documentation, arriving later. */
const LATER = ['firecracker', 'podman', 'docker', 'gvisor', 'qemu', 'kubernetes', 'nomad', 'apple', 'seatbelt', 'wasm']

describe('the backends of this release', () => {
  test('are the drivers that have a folder, but for the fake one', () => {
    const folders = readdirSync(DRIVERS).filter((name) => existsSync(join(DRIVERS, name, 'index.ts')) && name !== 'fake')
    expect(availableBackends().toSorted()).toEqual(folders.toSorted())
  })

  test('can be chosen by the name that each has itself', async () => {
    for (const name of availableBackends()) expect((await chooseDriver(name, PATHS)).name).toBe(name)
  })

  test('are made in the order of choice, without touching the disk', async () => {
    expect((await createDrivers(PATHS)).map((driver) => driver.name)).toEqual(availableBackends())
    expect(existsSync(PATHS.dataDir)).toBe(false)
  })
})

describe('sandboxes that stay', () => {
  const keep = { runtimeDir: '/nonexistent/run', version: '0.0.0' }

  test('are kept only by drivers that are told where, without touching the disk', async () => {
    expect((await createDrivers(PATHS)).map(({ sandboxes }) => sandboxes)).toEqual(availableBackends().map(() => undefined))
    for (const { sandboxes } of await createDrivers(PATHS, keep)) expect(sandboxes).toBeDefined()
    const restart = { paths: PATHS, runtimeDir: keep.runtimeDir, stays: false, audit: false, user: 'me' }
    expect((await chooseDriver('namespace', PATHS, { ...keep, restart })).sandboxes).toBeDefined()
    expect(existsSync(PATHS.dataDir)).toBe(false)
  })
})

test.skipIf(process.platform !== 'linux')('without a name the first that is there is chosen', async () => {
  expect((await chooseDriver(undefined, PATHS)).name).toBe(availableBackends()[0]!)
})

describe('refused by name', () => {
  test.each([...LATER, 'fc', 'hyperlight'])('%s is not there yet', async (name) => {
    await expect(chooseDriver(name, PATHS)).rejects.toMatchObject({ code: 'not_available_yet', fix: 'Leave --backend out.' })
  })

  test('the short name of a backend stands for the long one', async () => {
    await expect(chooseDriver('fc', PATHS)).rejects.toThrow('"firecracker"')
    await expect(chooseDriver('hyperlight', PATHS)).rejects.toThrow('"wasm"')
  })

  test.each(['', 'nothing', 'fake', 'Namespace2000', '__proto__', 'toString'])('%j is no backend', async (name) => {
    await expect(chooseDriver(name, PATHS)).rejects.toMatchObject({ code: 'backend_unknown' })
  })

  test.each([
    ['namspace', 'Use one of: namespace; did you mean namespace?'],
    ['dokcer', 'Use one of: namespace; did you mean docker? It is not available yet.'],
    ['hyperligt', 'Use one of: namespace; did you mean hyperlight? It is not available yet.'],
    ['nothing-like-it', 'Use one of: namespace.'],
  ])('%s is unknown, and the fix names what is there and what was meant', async (name, fix) => {
    await expect(chooseDriver(name, PATHS)).rejects.toMatchObject({
      code: 'backend_unknown',
      message: `there is no backend "${name}"`,
      fix,
    })
  })
})
