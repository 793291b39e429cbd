import { describe, expect, test } from 'bun:test'
import { resolvedConfig } from '../../test/support/resolved-config.ts'
import type { ResolvedConfig } from '../contract/config.ts'
import { AppError } from '../contract/errors.ts'
import type { DoctorReport } from '../contract/reports.ts'
import type { Driver, DriverFacts } from '../drivers/driver.ts'
import { createFakeDriver, type FakeDriverOptions } from '../drivers/fake/index.ts'
import { doctor, type DoctorDeps } from './doctor.ts'

const named = (name: string, isolation: DriverFacts['isolation'], options: FakeDriverOptions = {}): Driver => ({
  ...createFakeDriver({ facts: { isolation }, ...options }),
  name,
})

function examine(drivers: readonly Driver[], config: Partial<ResolvedConfig> = {}, over: Partial<DoctorDeps> = {}): Promise<DoctorReport> {
  return doctor({
    drivers,
    loadConfig: async () => resolvedConfig(config),
    verifyAudit: async () => ({ ok: true, path: '/state/audit.jsonl', records: 12 }),
    folders: [{ title: 'data', path: '/data' }],
    signal: new AbortController().signal,
    ...over,
  })
}

const section = (report: DoctorReport, title: string) => report.sections.find((each) => each.title.startsWith(title))?.findings ?? []
const verdict = (report: DoctorReport, name: string) => section(report, `Backend ${name} `).at(-1)

describe('doctor selects', () => {
  test('the first driver that works, and says so of each', async () => {
    const report = await examine([named('one', 'vm', { unusable: 'no' }), named('two', 'container'), named('three', 'container')])
    expect(report.selected).toBe('two')
    expect(verdict(report, 'one')).toMatchObject({ status: 'error', detail: 'no; see above' })
    expect(verdict(report, 'two')).toMatchObject({ status: 'ok', detail: 'yes; `run` uses it' })
    expect(verdict(report, 'three')).toMatchObject({ status: 'ok', detail: 'yes; another one comes first' })
  })

  test('none that isolates less than the user wants', async () => {
    const report = await examine([named('weak', 'container'), named('strong', 'vm')], { minIsolation: 'kernel' })
    expect(report.selected).toBe('strong')
    expect(verdict(report, 'weak')).toMatchObject({ status: 'warning', fix: expect.stringContaining('min_isolation') })
  })

  test('nothing when nothing works, with what each driver found', async () => {
    const report = await examine([named('one', 'container', { unusable: 'the kernel is too old' })])
    expect(report.selected).toBeUndefined()
    expect(section(report, 'Backend one (isolation: container)')).toContainEqual(
      expect.objectContaining({ status: 'error', detail: 'the kernel is too old' }),
    )
  })
})

describe('doctor says of the configuration', () => {
  test('which files hold, whether they are trusted, and the limits', async () => {
    const sources = [
      { path: '/config.toml', kind: 'user', trusted: true, sha256: '0a' },
      { path: '/p/agentkernel.toml', kind: 'project', trusted: false, sha256: '0b' },
    ] as const
    expect(section(await examine([], { sources }), 'Configuration')).toEqual([
      { check: 'user file', status: 'ok', detail: '/config.toml' },
      { check: 'project file', status: 'ok', detail: '/p/agentkernel.toml (not trusted: it may only narrow)' },
      { check: 'limits of this user', status: 'info', detail: 'min_isolation = "process", min_network = "public"' },
    ])
    expect(section(await examine([]), 'Configuration')[0]).toMatchObject({ check: 'files', detail: 'none; the defaults hold' })
  })

  test('its warnings and the keys that are not honoured, each with a fix', async () => {
    const findings = section(
      await examine([], { warnings: ['line 3: unknown key "x"'], inertKeys: ['security.mount_home'] }),
      'Configuration',
    )
    const warnings = findings.filter((finding) => finding.status === 'warning')
    expect(warnings.map((finding) => finding.detail)).toEqual(['line 3: unknown key "x"', 'security.mount_home'])
    for (const warning of warnings) expect(warning.fix).toEndWith('.')
  })

  test('what is wrong with it, and goes on with everything else', async () => {
    const loadConfig = () => Promise.reject(new AppError('config_invalid', 'line 2: not a number', { fix: 'Write a number.' }))
    const report = await examine([named('one', 'container')], {}, { loadConfig })
    expect(section(report, 'Configuration')).toEqual([
      { check: 'files', status: 'error', detail: 'line 2: not a number', fix: 'Write a number.' },
    ])
    // Every run here would fail on the file.
    expect(report.selected).toBeUndefined()
  })

  test('nothing when the failure is a bug', async () => {
    await expect(examine([], {}, { loadConfig: () => Promise.reject(new TypeError('bug')) })).rejects.toThrow('bug')
  })
})

describe('doctor says of the files', () => {
  test('where they are and that the audit log is unbroken', async () => {
    expect(section(await examine([]), 'Files')).toEqual([
      { check: 'data', status: 'info', detail: '/data' },
      { check: 'audit log', status: 'ok', detail: '/state/audit.jsonl, 12 records, unbroken' },
    ])
  })

  test('where the audit log is broken', async () => {
    const verifyAudit = async () => ({ ok: false, path: '/log', records: 3, broken: { line: 4, reason: 'it was changed' } })
    expect(section(await examine([], {}, { verifyAudit }), 'Files').at(-1)).toMatchObject({
      status: 'error',
      detail: '/log: line 4: it was changed',
    })
  })

  test('that the audit log cannot be read, and goes on', async () => {
    const verifyAudit = () => Promise.reject(new AppError('audit_read_failed', 'cannot read /log'))
    const report = await examine([named('one', 'container')], {}, { verifyAudit })
    expect(section(report, 'Files').at(-1)).toMatchObject({ check: 'audit log', status: 'error', detail: 'cannot read /log' })
    expect(report.selected).toBe('one')
  })
})

test('doctor says of the hardware whether virtual machines could start, never as a failure', async () => {
  const [finding] = section(await examine([]), 'Hardware')
  expect(finding).toMatchObject({ check: 'virtualization', status: 'info' })
  expect(finding?.detail).toMatch(/^\/dev\/kvm (opens|cannot be opened \(E[A-Z]+\))/)
})
