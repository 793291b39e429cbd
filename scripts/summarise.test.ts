import { afterEach, describe, expect, test } from 'bun:test'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readBun, readChecks, readGo } from './summarise.ts'

const goLine = (event: object) => `${JSON.stringify({ Package: 'guest/a', ...event })}\n`
const bunLog = (lines: string, counts: string) => `bun test v1\n\na.test.ts:\n${lines}\n${counts}\nRan 3 tests across 1 file. [1.00ms]\n`

describe('the summary of a test run', () => {
  test('counts checks by their first word', () => {
    expect(readChecks('pass lint\nfail types\nskip shell scripts: not installed\n')).toEqual({
      passed: 1,
      failed: ['check: types'],
      skipped: ['check: shell scripts: not installed'],
    })
  })

  test('takes the reason of a skipped Go test from what it said', () => {
    const events =
      goLine({ Action: 'output', Test: 'TestA', Output: '    a_test.go:3: needs root\n' }) +
      goLine({ Action: 'output', Test: 'TestA', Output: '--- SKIP: TestA (0.00s)\n' }) +
      goLine({ Action: 'skip', Test: 'TestA' }) +
      goLine({ Action: 'pass', Test: 'TestB' }) +
      goLine({ Action: 'pass' })
    expect(readGo(events, 0)).toEqual({ passed: 1, failed: [], skipped: ['go: TestA: a_test.go:3: needs root'] })
  })

  test('counts a Go package that does not build, and a Go that does not start', () => {
    expect(readGo(goLine({ Action: 'fail' }), 1).failed).toHaveLength(1)
    expect(readGo('', 1).failed).toHaveLength(1)
    expect(readGo(goLine({ Action: 'fail', Test: 'TestA' }) + goLine({ Action: 'fail' }), 1).failed).toHaveLength(1)
  })

  test('counts a file that does not load, which the report leaves out', () => {
    const log = bunLog('(pass) one [0.02ms]\n(fail) two > three [1.50ms]', ' 1 pass\n 2 fail\n 1 error\n')
    expect(readBun(log, '', 1)).toEqual({
      passed: 1,
      failed: ['bun: two > three', 'bun: a file did not load, or failed between tests: see above'],
      skipped: [],
    })
  })

  test('counts a failure once, though a long log lists it twice', () => {
    const log = bunLog('(fail) two > three [1.50ms]\n\n1 tests failed:\n(fail) two > three [1.50ms]', ' 1 pass\n 1 fail\n')
    expect(readBun(log, '', 1).failed).toEqual(['bun: two > three'])
  })

  test('names skipped tests and counts a crash without a failure', () => {
    const report =
      '<testcase name="passes" time="0" file="a.test.ts" line="3" assertions="1" />\n<testcase name="a &lt;b&gt; (needs root)" time="0" file="a.test.ts" line="5">\n <skipped />\n</testcase>'
    expect(readBun(bunLog('', ' 3 pass\n 1 skip\n 0 fail\n'), report, 0)).toEqual({
      passed: 3,
      failed: [],
      skipped: ['bun: a.test.ts: a <b> (needs root)'],
    })
    expect(readBun('Segmentation fault', '', 139).failed).toEqual(['bun test ended with status 139: see above'])
  })
})

describe('the command', () => {
  const folder = mkdtempSync(join(tmpdir(), 'summarise-'))
  afterEach(() => rmSync(folder, { recursive: true, force: true }))
  const summarise = (marker: string) =>
    spawnSync(process.execPath, [join(import.meta.dir, 'summarise.ts'), folder], {
      encoding: 'utf8',
      env: { ...process.env, AGENTKERNEL_TEST_RUN: marker },
    })

  test('fails when no test ran, and when one left a process running, which it ends', async () => {
    writeFileSync(join(folder, 'bun.status'), '0\n')
    const none = summarise('nothing-has-this')
    expect(none.stdout.trimEnd().split('\n').at(-1)).toBe('0 passed, 1 failed, 0 skipped')
    expect(none.status).toBe(1)

    writeFileSync(join(folder, 'bun.log'), bunLog('(pass) one', ' 1 pass\n 0 fail\n'))
    expect(summarise('nothing-has-this').stdout).toBe('1 passed, 0 failed, 0 skipped\n')

    // A marker of its own: the one of the run around this test must not be ended.
    const marker = `test-${process.pid}`
    const left = spawn('sleep', ['600'], { env: { ...process.env, AGENTKERNEL_TEST_RUN: marker } })
    const ended = once(left, 'exit')
    const leaked = summarise(marker)
    expect(leaked.stdout).toContain(`left running: ${left.pid} sleep 600`)
    expect(leaked.status).toBe(1)
    expect(await ended).toEqual([null, 'SIGKILL'])
  })
})
