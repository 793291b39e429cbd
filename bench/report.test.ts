import { expect, test } from 'bun:test'
import { formatReport, type Report } from './report.ts'
import { targetsTable } from './targets.ts'
import type { Times } from './times.ts'

const times = (name: string, p50: number, ratio?: number): Times => {
  const summary = { count: 3, min: p50, p50, p95: p50 }
  return { name, wallMs: summary, cpuMs: summary, ratio }
}
const counts = { processes: 0, mounts: 1, cgroups: 0, files: 9, descriptors: 9 }
const report: Report = {
  machine: { CPU: 'a | b' },
  project: { files: 50_000, folders: 2_500 },
  times: [times('agentkernel run /bin/true, empty folder', 20, 4.1), times('agentkernel run /bin/true, large project', 39)],
  firstScan: [],
  absent: [{ name: 'podman run', reason: 'podman is not installed' }],
  memoryMiB: { empty: 50, large: 61 },
}
const verdicts = (of: Report): string[] => targetsTable(of).rows.map((row) => row[3]!)

test('a target is met at its limit and missed beyond it', () => {
  expect(verdicts(report)).toEqual(['yes', '**no**', 'yes', '**no**'])
})

test('what was not measured has no verdict', () => {
  expect(verdicts({ ...report, times: [], memoryMiB: { empty: undefined, large: undefined } })).toEqual([])
})

test('throughput, leftovers and audit are judged when they were measured', () => {
  const throughput = [{ name: 'agentkernel run /bin/true, empty folder', runs: 400, atOnce: 20, perSecond: 99.9 }]
  const audit = { writers: 20, records: 20_000, seconds: 1, verifySeconds: 1 }
  const soak = { runs: 2_000, before: counts, after: { ...counts, mounts: 2 } }
  const rows = targetsTable({ ...report, times: [], memoryMiB: { empty: 1, large: 1 }, throughput, audit, soak }).rows
  expect(rows.map((row) => [row[2], row[3]])).toEqual([
    ['1.00 MiB', 'yes'],
    ['99.9 runs/s', '**no**'],
    ['mounts', '**no**'],
    ['verify', 'yes'],
  ])
})

test('the report names what is absent with the reason, also when nothing else was measured', () => {
  expect(formatReport({ ...report, times: [] })).toContain('Not measured: podman run: podman is not installed.')
  const text = formatReport(report)
  expect(text).toContain('Not measured: podman run: podman is not installed.')
  expect(text).toContain('50,000 files in 2,500 folders')
  expect(text).toContain('| CPU  | a \\| b |')
  expect(text).not.toContain('first scan')
})
