import { afterAll, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NetworkLog } from './network-log.ts'
import { NetworkRecorder } from './network-recorder.ts'

const folder = mkdtempSync(join(tmpdir(), 'ak-network-log-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const denied = {
  kind: 'tcp',
  host: 'a.test',
  port: 443,
  verdict: 'denied',
  reason: 'no rule allows a.test',
  hint: '--allow a.test',
} as const

test('the newest events are kept, sums are of all, and listeners hear each', () => {
  const recorder = new NetworkRecorder({ sandbox: 'box', keep: 3, now: () => new Date(0) })
  const heard: (number | undefined)[] = []
  const stop = recorder.listen(({ port }) => void heard.push(port))
  recorder.listen(() => {
    throw new TypeError('a listener that fails')
  })
  for (let port = 1; port <= 10; port++)
    recorder.record({ kind: 'tcp', host: 'a.test', port, verdict: 'allowed', bytes_out: 2, bytes_in: 3 })
  stop()
  recorder.record({ kind: 'tcp', host: 'a.test', port: 11, verdict: 'failed', reason: 'no' })
  recorder.record({ kind: 'dns', host: 'a.test', verdict: 'allowed' })
  expect(recorder.events().map(({ port }) => port)).toEqual([10, 11, undefined])
  expect(recorder.events()[0]).toMatchObject({ time: '1970-01-01T00:00:00.000Z', sandbox: 'box' })
  expect(recorder.totals).toEqual({ allowed: 10, denied: 0, failed: 1, bytesOut: 20, bytesIn: 30 })
  expect(heard).toHaveLength(10)
})

test('denials are summed up by target; a lookup counts where no connection followed', () => {
  const recorder = new NetworkRecorder({ sandbox: 'box' })
  recorder.record({ kind: 'dns', host: 'a.test', verdict: 'denied', reason: 'no rule' })
  for (let times = 0; times < 3; times++) recorder.record(denied)
  recorder.record({ kind: 'dns', host: 'db.test', verdict: 'denied', reason: 'no rule' })
  recorder.record({ kind: 'tcp', host: 'db.test', port: 5432, verdict: 'denied', reason: 'no rule', hint: '--allow db.test:5432' })
  recorder.record({ kind: 'dns', host: 'only.test', verdict: 'denied', reason: 'no rule' })
  recorder.record({ kind: 'udp', address: 'fd00::1', port: 53, verdict: 'denied', reason: 'private' })
  expect(recorder.denials()).toEqual([
    { target: 'a.test', count: 3, reason: 'no rule allows a.test', hint: '--allow a.test' },
    { target: 'db.test:5432', count: 1, reason: 'no rule', hint: '--allow db.test:5432' },
    { target: 'only.test', count: 1, reason: 'no rule' },
    { target: '[fd00::1]:53', count: 1, reason: 'private' },
  ])
})

test('denials of one host that need different rules are told apart, each with its own reason', () => {
  const recorder = new NetworkRecorder({ sandbox: 'box' })
  const request = (path: string) =>
    ({ ...denied, kind: 'http', reason: `no rule allows ${path}`, hint: `--allow 'GET https://a.test${path}'` }) as const
  for (const path of ['/a', '/b', '/a']) recorder.record(request(path))
  recorder.record({ kind: 'http', host: 'a.test', port: 443, verdict: 'denied', reason: 'misdirected' })
  expect(recorder.denials()).toEqual([
    { target: 'a.test', count: 2, reason: 'no rule allows /a', hint: "--allow 'GET https://a.test/a'" },
    { target: 'a.test', count: 1, reason: 'no rule allows /b', hint: "--allow 'GET https://a.test/b'" },
    { target: 'a.test', count: 1, reason: 'misdirected' },
  ])
})

test('a flood of targets is bounded, and so is what a sandbox writes into one event', () => {
  const recorder = new NetworkRecorder({ sandbox: 'box' })
  for (let index = 0; index < 5_000; index++) recorder.record({ ...denied, host: `h${index}.test` })
  expect(recorder.denials().length).toBeLessThan(1_100)
  expect(recorder.denials().at(-1)).toMatchObject({ target: 'others', count: 3_976 })
  recorder.record({ ...denied, path: 'x'.repeat(100_000) })
  expect(recorder.events().at(-1)!.path!.length).toBeLessThan(3_000)
})

test('the log gets a line for each event at its end, readable by its owner only', async () => {
  const path = join(folder, 'log.jsonl')
  const problems: string[] = []
  for (let round = 0; round < 2; round++) {
    const log = new NetworkLog({ path, onProblem: (message) => problems.push(message) })
    const recorder = new NetworkRecorder({ sandbox: 'box', log })
    for (let times = 0; times < 100; times++) recorder.record(denied)
    await log.close()
  }
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  expect(lines).toHaveLength(200)
  expect(JSON.parse(lines[0]!)).toMatchObject(denied)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(problems).toEqual([])
})

test('a log that cannot be written is told once, and nothing else happens', async () => {
  writeFileSync(join(folder, 'file'), '')
  const problems: string[] = []
  const log = new NetworkLog({ path: join(folder, 'file', 'log'), onProblem: (message) => problems.push(message) })
  const recorder = new NetworkRecorder({ sandbox: 'box', log })
  recorder.record(denied)
  await Bun.sleep(10)
  recorder.record(denied)
  await log.close()
  expect(problems).toHaveLength(1)
  expect(problems[0]).toContain('is not complete')
  expect(await log.open().catch(() => 'refused')).toBe('refused')
})

test('a disk that is too slow loses lines, and says so, but takes no memory', async () => {
  const problems: string[] = []
  const log = new NetworkLog({ path: join(folder, 'slow.jsonl'), onProblem: (message) => problems.push(message) })
  const recorder = new NetworkRecorder({ sandbox: 'box', log })
  for (let times = 0; times < 3_000; times++) recorder.record({ ...denied, path: `/${'x'.repeat(2_000)}` })
  await log.close()
  expect(problems).toEqual([expect.stringContaining('too slow')])
})

test('a log ends at its greatest length', async () => {
  const problems: string[] = []
  const path = join(folder, 'long.jsonl')
  const log = new NetworkLog({ path, mostBytes: 1_000, onProblem: (message) => problems.push(message) })
  const recorder = new NetworkRecorder({ sandbox: 'box', log })
  for (let times = 0; times < 100; times++) recorder.record(denied)
  await log.close()
  expect(statSync(path).size).toBeLessThanOrEqual(1_000)
  expect(problems).toEqual([expect.stringContaining('too long')])
})
