import { describe, expect, test } from 'bun:test'
import { makeSpec } from '../../../test/conformance/make-spec.ts'
import { limitNotices, limitsWithoutCgroup } from './rlimits.ts'

test('without a control group memory and processes are limited by the numbers of the kernel', () => {
  const { permissions } = makeSpec({ command: ['true'], permissions: { memoryBytes: 12_345_678, pids: 99 } })
  expect(limitsWithoutCgroup(permissions)).toEqual([
    { resource: 2, value: 12_345_678 },
    { resource: 6, value: 99 },
  ])
})

test.skipIf(Bun.which('prlimit') === null)('those numbers are the ones that this kernel calls data and processes', () => {
  const { permissions } = makeSpec({ command: ['true'], permissions: { memoryBytes: 12_345_678, pids: 99 } })
  const [data, processes] = limitsWithoutCgroup(permissions).map(({ value }) => value)
  const shown = Bun.spawnSync(['prlimit', `--data=${data}`, `--nproc=${processes}`, 'cat', '/proc/self/limits']).stdout.toString()
  expect(shown).toMatch(new RegExp(`^Max data size\\s+${data}\\s`, 'm'))
  expect(shown).toMatch(new RegExp(`^Max processes\\s+${processes}\\s`, 'm'))
})

describe('a user is told', () => {
  test('that the groups could not be joined, and why', () => {
    const [notice] = limitNotices([{ ungrouped: true, detail: 'not today' }], { cpuHolds: true })
    expect(notice).toContain('for each process')
    expect(notice).toContain('not today')
  })

  test('that processors could not be limited', () => {
    expect(limitNotices([], { cpuHolds: false })).toEqual([expect.stringContaining('processors')])
  })

  test('nothing when all limits hold, or none were promised', () => {
    expect(limitNotices([], { cpuHolds: true })).toEqual([])
    expect(limitNotices([], undefined)).toEqual([])
  })
})
