import { describe, expect, test } from 'bun:test'
import type { AuditRecord } from '../contract/reports.ts'
import { countUsage, statsPage, usagePage } from './usage-stats.ts'

const record = (type: string, fields: Readonly<Record<string, unknown>> = {}, timestamp = '2026-01-02T00:00:00Z'): AuditRecord => ({
  timestamp,
  pid: 1,
  user: 'u',
  type,
  prev: '',
  hash: '',
  ...fields,
})
const ran = (command: readonly string[], exit: number, ms: number): AuditRecord =>
  record('command_executed', { command, exit_code: exit, duration_ms: ms, backend: 'some', profile: 'moderate' })

describe('usage', () => {
  test('counts commands, their ends and lengths, programs, sandboxes and refusals', () => {
    const records = [
      record('sandbox_created', {}, '2026-01-01T00:00:00Z'),
      ran(['npm', 'test'], 0, 1500),
      ran(['npm', 'ci'], 1, 500),
      ran(['ls'], 0, 10),
      record('policy_violation'),
      record('sandbox_removed', {}, '2026-01-03T00:00:00Z'),
    ]
    expect(countUsage(records)).toEqual({
      records: 6,
      first: '2026-01-01T00:00:00Z',
      last: '2026-01-03T00:00:00Z',
      commands: {
        total: 3,
        succeeded: 2,
        failed: 1,
        duration_ms: { total: 2010, average: 670, longest: 1500 },
        by_backend: { some: 3 },
        by_profile: { moderate: 3 },
        programs: [
          { program: 'npm', count: 2 },
          { program: 'ls', count: 1 },
        ],
      },
      sandboxes: { created: 1, removed: 1, errors: 0 },
      policy_violations: 1,
      events: { command_executed: 3, policy_violation: 1, sandbox_created: 1, sandbox_removed: 1 },
    })
    expect(usagePage(countUsage(records))).toContain(
      'Commands:   3 (2 succeeded, 1 failed)\nTime:       2s in all, 670 ms each, 1500 ms the longest\n',
    )
  })

  test('takes no field for granted, and prints nothing hostile', () => {
    const odd = [
      record('command_executed', { command: 'x', exit_code: '0', duration_ms: -5 }),
      record('__proto__'),
      ran(['\x1b[2J'], 0, Number.NaN),
    ]
    const counted = countUsage(odd)
    expect(counted.commands).toMatchObject({ total: 2, succeeded: 1, failed: 1, duration_ms: { total: 0, average: 0, longest: 0 } })
    expect(usagePage(counted)).not.toContain('\x1b')
    expect(countUsage([])).toMatchObject({ records: 0, first: null, last: null })
    expect(usagePage(countUsage([]))).toContain('Commands:   0')
  })
})

test('what a sandbox uses is a table, with its processes', () => {
  const page = statsPage({
    sandbox: 'dev',
    status: 'running',
    memory_bytes: 1024 ** 2,
    memory_limit_bytes: 4 * 1024 ** 2,
    cpu_ms: 1234,
    process_count: 1,
    processes: [{ pid: 7, argv: ['sh', '-c', 'a b\x1b'], rss: 2048, cpu_ms: 5 }],
  })
  expect(page).toMatch(/^dev +running +1\.23s +1 MiB \/ 4 MiB +25\.0% +- +1$/m)
  expect(page).toMatch(/^7 +2 KiB +0\.01s +sh -c 'a b\\x1b'$/m)
  expect(statsPage({ sandbox: 'dev', status: 'stopped' })).toMatch(/^dev +stopped +- +- \/ - +- +- +-$/m)
})
