import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { replaceFigures } from './figures-section.ts'
import { NETWORK_MARKERS } from './network.ts'
import { isWhole, TOKEN } from './network-client.ts'
import { atLeast, atMost, best, growth, type Round } from './network-figures.ts'
import { Place } from './network-place.ts'
import { cpuMs, processOne, residentMiB } from './process-usage.ts'

const CLIENT = [process.execPath, join(import.meta.dir, 'network-client.ts')]

const round = (p50Ms: number, perSecond: number, gatewayMs: number): Round => {
  const each = { p50Ms, p99Ms: 2 * p50Ms, perSecond, gatewayMs }
  return { one: each, several: each }
}

test('of several rounds the best of each figure counts', () => {
  const rounds = [round(3, 1_000, 0.5), round(2, 900, 0.6)]
  expect(best('here', true, rounds)).toEqual({ name: 'here', p50Ms: 2, p99Ms: 4, perSecond: 1_000, gatewayMs: { one: 0.5, several: 0.5 } })
  expect(best('direct', false, rounds).gatewayMs).toBeUndefined()
})

test('memory that goes up and down has not grown, and memory that goes on has', () => {
  expect(growth([10, 30, 20, 25, 30, 15])).toBe(0)
  expect(growth([10, 20, 30, 40])).toBe(20)
  expect(() => growth([1])).toThrow(RangeError)
})

test('a target is met at its limit and missed beyond it', () => {
  expect([atMost('a', 35, 35, 'ms'), atMost('b', 35.1, 35, 'ms')].map((row) => row[3])).toEqual(['yes', '**no**'])
  expect([atLeast('c', 200, 200, 'MB/s'), atLeast('d', 199, 200, 'MB/s')].map((row) => row.slice(1))).toEqual([
    ['≥ 200 MB/s', '200 MB/s', 'yes'],
    ['≥ 200 MB/s', '199 MB/s', '**no**'],
  ])
})

test('an answer is whole with its last byte, and only a good one', () => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n'
  expect(['', 'HTTP/1.1 200 OK\r\n', `${head}ab`, `${head}abc`].map(isWhole)).toEqual([false, false, false, true])
  expect(() => isWhole('HTTP/1.1 403 Forbidden\r\n\r\n')).toThrow('403')
})

test('a place whose client has gone says what it said', async () => {
  const command = ['/bin/sh', '-c', 'echo "no such thing" >&2']
  await expect(Place.start('nowhere', command, { env: {} })).rejects.toThrow('nowhere ended: no such thing')
})

test('a client answers what cannot be done, and goes on', async () => {
  const place = await Place.start('here', CLIENT, { env: { BENCH_TOKEN: TOKEN }, gateway: 'itself' })
  await expect(place.ask({ task: 'down', bytes: 10 })).rejects.toThrow('here, down: ')
  const { answer } = await place.ask({ task: 'open', kind: 'tcp', count: 2 })
  expect(answer.answered).toBe(0)
  expect(residentMiB(place.pid)).toBeGreaterThan(1)
  expect(processOne(place.pid)).toBeUndefined()
  await place.end()
  expect([residentMiB(place.pid), cpuMs(place.pid)]).toEqual([0, 0])
})

test('the time of a process is what it used', () => {
  const until = performance.now() + 60
  const before = cpuMs(process.pid)
  while (performance.now() < until) continue
  expect(cpuMs(process.pid) - before).toBeGreaterThanOrEqual(10)
})

test('BENCHMARK.md can take its figures', () => {
  const page = readFileSync(join(import.meta.dir, '../BENCHMARK.md'), 'utf8')
  expect(replaceFigures(page, 'figures', NETWORK_MARKERS)).toContain(`${NETWORK_MARKERS.begin}\n\nfigures\n\n${NETWORK_MARKERS.end}`)
})
