import { expect, test } from 'bun:test'
import { tmpdir } from 'node:os'
import type { Contender } from './contenders.ts'
import { measure, runOnce, sortOut, summarizeAll, timesTable } from './times.ts'
import { BenchError, type World } from './world.ts'

const world: World = { home: tmpdir(), empty: tmpdir(), dataDir: tmpdir(), env: { PATH: '/usr/bin:/bin' } }
const shell = (name: string, script: string): Contender => ({ name, command: ['/bin/sh', '-c', script], cwd: tmpdir() })
const samples = (...wallMs: number[]) => wallMs.map((wall) => ({ wallMs: wall, cpuMs: wall / 2 }))

test('each contender is measured as often as asked, in turn', async () => {
  const order: string[] = []
  const spy = (name: string): Contender => ({ ...shell(name, ':'), before: () => order.push(name) })
  const times = await measure([spy('a'), spy('b')], 3, world)
  expect(order).toEqual(['a', 'b', 'a', 'b', 'a', 'b'])
  expect(times.map(({ name, wallMs }) => [name, wallMs.count])).toEqual([
    ['a', 3],
    ['b', 3],
  ])
})

test('a run that fails stops the bench and says what the program said', () => {
  expect(() => runOnce(shell('a', 'echo the reason >&2; exit 3'), world)).toThrow(new BenchError('a: exit code 3: the reason'))
})

test('what is missing or fails here is absent with the reason, the rest is measured', () => {
  const missing: Contender = { name: 'm', command: ['no-such-program-here'], cwd: tmpdir() }
  const { present, absent } = sortOut([shell('good', ':'), missing, shell('bad', 'echo no daemon >&2; exit 1')], world)
  expect(present.map(({ name }) => name)).toEqual(['good'])
  expect(absent).toEqual([
    { name: 'm', reason: 'no-such-program-here is not installed' },
    { name: 'bad', reason: 'exit code 1: no daemon' },
  ])
})

test('a failure of our own is never an absence', () => {
  expect(() => sortOut([shell('agentkernel run x', 'exit 1')], world)).toThrow(BenchError)
})

test('ratios are of medians, and missing without a baseline', () => {
  const all: Contender[] = [
    shell('base', ':'),
    { ...shell('twice', ':'), baseline: 'base' },
    { ...shell('alone', ':'), baseline: 'not measured' },
  ]
  const times = summarizeAll(
    all,
    new Map([
      ['base', samples(1, 2, 90)],
      ['twice', samples(4, 4, 4)],
      ['alone', samples(1)],
    ]),
  )
  expect(times.map(({ ratio }) => ratio)).toEqual([undefined, 2, undefined])
  expect(timesTable('t', times, []).rows[1]).toEqual(['twice', '3', '4.00', '4.00', '4.00', '2.00', '2.00'])
})
