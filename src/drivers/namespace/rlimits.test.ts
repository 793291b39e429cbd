import { expect, test } from 'bun:test'
import { makeSpec } from '../../../test/conformance/make-spec.ts'
import { limitsWithoutCgroup } from './rlimits.ts'

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
