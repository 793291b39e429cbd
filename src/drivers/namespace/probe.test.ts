import { afterAll, describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeDriver, type FakeDriverOptions } from '../fake/index.ts'
import type { ProbeReport } from '../driver.ts'
import { createNamespaceDriver } from './index.ts'
import { probeNamespaces, type ProbeInput } from './probe.ts'

const base = mkdtempSync(join(tmpdir(), 'probe-test-'))
afterAll(() => rmSync(base, { recursive: true, force: true }))
const dataDir = join(base, 'data')
mkdirSync(dataDir)

/** What a sandbox says of itself when everything is in force. */
const GOOD = 'NoNewPrivs:\t1\nCapBnd:\t0000000000000000\nSeccomp:\t2\nread\nwrote\n'

const OPTIONS = {
  dataDir,
  helperPath: join(import.meta.dir, '../../../build/agentkernel-guest'),
  home: base,
  uid: process.getuid?.() ?? 0,
  arch: process.arch === 'arm64' ? ('arm64' as const) : ('x64' as const),
  // Any program that answers `--version`.
  bwrapPaths: [process.execPath],
}
const { signal } = new AbortController()

/** A machine without control groups. */
const NO_GROUPS: ProbeInput['cgroups'] = { roots: () => undefined, scopeFailure: () => undefined }

/** A probe whose trial sandbox is a fake one. */
const probe = (fake: FakeDriverOptions, options: Partial<typeof OPTIONS> = {}, cgroups = NO_GROUPS): Promise<ProbeReport> =>
  probeNamespaces({ options: { ...OPTIONS, ...options }, driver: createFakeDriver(fake), cgroups, signal })

const finding = ({ findings }: ProbeReport, check: string) => findings.find((each) => each.check === check)
const errors = ({ findings }: ProbeReport): string[] => findings.filter((each) => each.status === 'error').map((each) => each.check)

describe('a probe', () => {
  test('finds everything in order, without control groups a weakness and no obstacle', async () => {
    const report = await probe({ output: GOOD })
    expect(report.usable).toBe(true)
    expect(errors(report)).toEqual([])
    expect(finding(report, 'control groups')).toMatchObject({ status: 'warning', detail: expect.stringContaining('each process') })
  })

  test("says why the user's systemd gave no place for control groups", async () => {
    const report = await probe({ output: GOOD }, {}, { ...NO_GROUPS, scopeFailure: () => 'no answer within a second' })
    expect(report.usable).toBe(true)
    expect(finding(report, 'control groups')).toMatchObject({
      status: 'warning',
      detail: expect.stringContaining('no answer within a second'),
    })
  })

  test.each([
    ['system call filter', GOOD.replace('Seccomp:\t2', 'Seccomp:\t0')],
    ['privileges', GOOD.replace('NoNewPrivs:\t1', 'NoNewPrivs:\t0')],
    ['privileges', GOOD.replace('CapBnd:\t0000000000000000', 'CapBnd:\t0000000000000400')],
    ['sandbox', GOOD.replace('wrote\n', '')],
    ['file owners', GOOD.replace('read\n', '')],
  ])('says when the %s is not what it should be', async (check, output) => {
    const report = await probe({ output })
    expect(report.usable).toBe(false)
    expect(errors(report)).toEqual([check])
  })

  test('says what kept a sandbox from starting, and how to mend it', async () => {
    const report = await probe({ failStart: 'sandbox_start_failed' })
    expect(report.usable).toBe(false)
    expect(finding(report, 'sandbox')).toMatchObject({ status: 'error', detail: expect.stringContaining('sandbox_start_failed') })
  })

  test('passes on what the sandbox warns of', async () => {
    const report = await probe({ output: GOOD, outcome: { notices: ['the project was copied.'] } })
    expect(report.usable).toBe(true)
    expect(report.findings).toContainEqual(expect.objectContaining({ status: 'warning', detail: 'the project was copied.' }))
  })

  test('without bubblewrap tries nothing and says how to get it', async () => {
    const report = await probe({ output: GOOD }, { bwrapPaths: [join(base, 'bwrap')] })
    expect(report).toMatchObject({ usable: false, findings: [{ check: 'bubblewrap', status: 'error', detail: 'not installed' }] })
  })

  test('with a bubblewrap that does not run says so', async () => {
    writeFileSync(join(base, 'broken'), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
    writeFileSync(join(base, 'text'), '', { mode: 0o644 })
    for (const path of [join(base, 'broken'), join(base, 'text')]) {
      const report = await probe({ output: GOOD }, { bwrapPaths: [join(base, 'nothing'), path] })
      expect(report.usable).toBe(false)
      expect(finding(report, 'bubblewrap')?.detail).toBe(`${path} does not run`)
    }
  })

  test('where nothing can be kept says so', async () => {
    const report = await probe({ output: GOOD }, { dataDir: join(base, 'text/data') })
    expect(report.usable).toBe(false)
    expect(errors(report)).toEqual(['data folder'])
  })

  test('gives a fix with whatever is wrong or weak, and leaves nothing behind', async () => {
    const open = readdirSync('/proc/self/fd').length
    for (const fake of [{ output: '' }, { failStart: 'sandbox_start_failed' as const }, { output: GOOD, outcome: { notices: ['x.'] } }]) {
      for (const { status, fix } of (await probe(fake)).findings) if (status !== 'ok') expect(fix).toBeString()
    }
    expect(readdirSync(dataDir)).toEqual([])
    // What other tests had open may close meanwhile.
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(open)
  })
})

const bwrapPath = Bun.which('bwrap')
const missing = bwrapPath === null ? ' (needs bubblewrap)' : existsSync(OPTIONS.helperPath) ? '' : ' (needs the launch helper to be built)'

test.skipIf(missing !== '')(`a probe of this machine runs a real sandbox and leaves nothing behind${missing}`, async () => {
  const driver = createNamespaceDriver({ ...OPTIONS, bwrapPaths: [bwrapPath ?? ''] })
  const report = await driver.probe(signal)
  expect(errors(report)).toEqual([])
  expect(report.usable).toBe(true)
  for (const check of ['bubblewrap', 'sandbox', 'system call filter', 'privileges']) expect(finding(report, check)?.status).toBe('ok')
  expect(readdirSync(dataDir).filter((name) => name !== 'runs')).toEqual([])
  expect(readdirSync(join(dataDir, 'runs'))).toEqual([])
})
