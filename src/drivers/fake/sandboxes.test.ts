import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, realpathSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeSandboxSpec, refusal, verbsOf } from '../../../test/conformance/sandbox-kit.ts'
import { removeTree } from '../../lib/remove-tree.ts'
import { createFakeDriver, type SandboxFaults } from './index.ts'

const helperPath = join(import.meta.dir, '../../../build/agentkernel-guest')
const missing = existsSync(helperPath) ? '' : ' (needs the helper to be built)'
const { signal } = new AbortController()

let base: string
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'fk-')))
})
afterEach(() => removeTree(base))

function faked(faults: SandboxFaults = {}, wait?: (ms: number, signal: AbortSignal) => Promise<void>) {
  const keep = { dataDir: join(base, 'data'), runtimeDir: join(base, 'run'), helperPath, version: '0.0.0' }
  const driver = createFakeDriver({ keep, faults, ...(wait === undefined ? {} : { wait }) })
  const verbs = verbsOf(driver)
  const spec = makeSandboxSpec({})
  return { driver, verbs, spec, planned: verbs.plan(spec) }
}

test('without a place to keep them there are no sandboxes that stay', () => {
  expect(createFakeDriver().sandboxes).toBeUndefined()
})

describe.skipIf(missing !== '')(`the fake’s sandboxes${missing}`, () => {
  test('fail before anything is done, in the verb and with the error that were asked for', async () => {
    const { verbs, spec, planned } = faked({ fail: { create: 'disk_full' } })
    expect(await refusal(() => verbs.create(planned, spec, signal))).toBe('disk_full')
    expect(await verbs.inspect(planned, signal)).toBe('gone')
  })

  test('fail when everything is done', async () => {
    const faults: { failAfter?: NonNullable<SandboxFaults['failAfter']> } = { failAfter: { start: 'sandbox_start_failed' } }
    const { verbs, spec, planned } = faked(faults)
    const handle = await verbs.create(planned, spec, signal)
    expect(await refusal(() => verbs.start(handle, spec, signal))).toBe('sandbox_start_failed')
    expect(await verbs.inspect(handle, signal)).toBe('running')
    // The test's own object is looked at anew.
    delete faults.failAfter
    await verbs.destroy(await verbs.start(handle, spec, signal), signal)
  })

  test('take as long as they are told', async () => {
    const waited: number[] = []
    const { verbs, spec, planned } = faked({ delayMs: { create: 70_000 } }, (ms) => Promise.resolve(void waited.push(ms)))
    await verbs.create(planned, spec, signal)
    expect(waited).toEqual([70_000])
  })

  test('hang until they are given up', async () => {
    const { verbs, spec, planned } = faked({ hang: ['stop'] })
    const handle = await verbs.create(planned, spec, signal)
    const giveUp = new AbortController()
    const stopping = refusal(() => verbs.stop(handle, 0, giveUp.signal))
    giveUp.abort()
    expect(await stopping).toBe('canceled')
  })

  test('die as soon as they have started', async () => {
    const { verbs, spec, planned } = faked({ diesAfterStart: true })
    const handle = await verbs.start(await verbs.create(planned, spec, signal), spec, signal)
    expect(await verbs.inspect(handle, signal)).toBe('stopped')
    await verbs.destroy(handle, signal)
  })

  test('tell what was called', async () => {
    const { driver, verbs, spec, planned } = faked()
    const limits = { memoryBytes: 1, cpus: undefined, pids: 1 }
    await verbs.create(planned, spec, signal)
    await verbs.stop(planned, 5, signal)
    await verbs.resize?.(planned, limits, signal)
    await verbs.sweep(() => true, signal)
    await verbs.destroy(planned, signal)
    const { id } = spec
    expect(driver.verbCalls()).toEqual([
      { verb: 'create', id },
      { verb: 'stop', id, graceMs: 5 },
      { verb: 'resize', id, limits },
      { verb: 'sweep', id: '' },
      { verb: 'destroy', id },
    ])
  })
})
