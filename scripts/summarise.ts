/**
 * Adds up what scripts/test.sh ran: the checks, `go test -json` and bun's log and JUnit report, all in one folder.
 * Prints what failed, each skipped test with its reason, and as the last line `N passed, N failed, N skipped`.
 * Exit status 1 when anything failed, or when no test ran at all.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Results {
  readonly passed: number
  /** One line each. */
  readonly failed: readonly string[]
  /** One line each, with the reason. */
  readonly skipped: readonly string[]
}

/** Lines `pass|fail|skip NAME`, as scripts/check.sh writes them. */
export function readChecks(text: string): Results {
  const lines = text.split('\n')
  const named = (kind: string) => lines.filter((line) => line.startsWith(`${kind} `)).map((line) => `check: ${line.slice(5)}`)
  return { passed: named('pass').length, failed: named('fail'), skipped: named('skip') }
}

/** One event of `go test -json`, the fields that matter here. */
interface GoEvent {
  readonly Action: string
  readonly Package?: string
  readonly Test?: string
  readonly Output?: string
}

/** The output of `go test -json` and its exit status. A package that does not build counts as one failure. */
export function readGo(text: string, status: number): Results {
  const events = text.split('\n').flatMap(parseGoEvent)
  const tests = events.filter((event) => event.Test !== undefined)
  const spoken = (event: GoEvent) =>
    events
      .filter((other) => other.Action === 'output' && other.Package === event.Package && other.Test === event.Test)
      .map((other) => (other.Output ?? '').trim())
      .filter((line) => line !== '' && !/^(===|---) /.test(line))
  const of = (action: string, list: readonly GoEvent[]) => list.filter((event) => event.Action === action)

  const failed = of('fail', tests).map((event) => `go: ${event.Package} ${event.Test}\n${spoken(event).join('\n')}`)
  const broken = of('fail', events).filter(
    (event) => event.Test === undefined && !tests.some((test) => test.Action === 'fail' && test.Package === event.Package),
  )
  failed.push(...broken.map((event) => `go: ${event.Package}\n${spoken(event).join('\n')}`))
  if (status !== 0 && failed.length === 0) failed.push(`go test ended with status ${status}: see build/test/go.log`)
  return {
    passed: of('pass', tests).length,
    failed,
    skipped: of('skip', tests).map((event) => `go: ${event.Test}: ${spoken(event).join(' ')}`),
  }
}

function parseGoEvent(line: string): GoEvent[] {
  return line.startsWith('{') ? [JSON.parse(line) as GoEvent] : []
}

/**
 * bun's console log (which counts files that do not load, unlike the report), its JUnit report (which names the
 * skipped tests) and its exit status.
 */
export function readBun(log: string, report: string, status: number): Results {
  const count = (word: string) => Number(new RegExp(`^ *(\\d+) ${word}$`, 'gm').exec(log.slice(-2000))?.[1] ?? 0)
  // A long log lists its failures once more at the end.
  const once = log.split(/^\d+ tests? (?:failed|skipped|todo):$/m)[0] ?? ''
  const failed = [...once.matchAll(/^\(fail\) (.*?)(?: \[[\d.]+m?s\])?$/gm)].map((match) => `bun: ${match[1]}`)
  while (failed.length < count('fail')) failed.push('bun: a file did not load, or failed between tests: see above')
  if (status !== 0 && failed.length === 0) failed.push(`bun test ended with status ${status}: see above`)
  const skipped = [...report.matchAll(/<testcase name="([^"]*)"[^>]*?file="([^"]*)"[^>]*>\s*<skipped/g)].map(
    (match) => `bun: ${match[2]}: ${unescapeXml(match[1] ?? '')}`,
  )
  return { passed: count('pass'), failed, skipped }
}

function unescapeXml(text: string): string {
  const entities: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }
  return text.replace(/&(\w+);/g, (whole, name: string) => entities[name] ?? whole)
}

/** What still runs with the marker of this test run in its environment: a leak. It is ended, and counts as a failure. */
function readLeftRunning(marker: string | undefined): Results {
  if (marker === undefined || !existsSync('/proc/self/environ')) return { passed: 0, failed: [], skipped: [] }
  const ours = ancestors()
  const left = readdirSync('/proc').filter(
    (pid) => /^\d+$/.test(pid) && !ours.has(pid) && readProc(pid, 'environ').includes(`AGENTKERNEL_TEST_RUN=${marker}`),
  )
  const failed = left.map((pid) => `left running: ${pid} ${readProc(pid, 'cmdline').replaceAll('\0', ' ')}`)
  for (const pid of left) process.kill(Number(pid), 'SIGKILL')
  return { passed: 0, failed, skipped: [] }
}

function ancestors(): Set<string> {
  const found = new Set<string>()
  for (
    let pid = String(process.pid);
    pid !== '0' && pid !== '' && !found.has(pid);
    pid = /^PPid:\s*(\d+)/m.exec(readProc(pid, 'status'))?.[1] ?? ''
  )
    found.add(pid)
  return found
}

/** A process may end at any moment, and another user's cannot be read: then it is empty. */
function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error) return ''
    throw error
  }
}

function main(folder: string): void {
  const read = (name: string) => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : '')
  const status = (name: string) => Number(read(name).trim() || (read('bun.status') === '' ? 1 : 0))
  const tests = [readGo(read('go.json'), status('go.status')), readBun(read('bun.log'), read('bun.xml'), status('bun.status'))]
  const all = [readChecks(read('checks')), ...tests, readLeftRunning(process.env['AGENTKERNEL_TEST_RUN'])]

  const failed = all.flatMap((results) => results.failed)
  const skipped = all.flatMap((results) => results.skipped)
  if (tests.every((results) => results.passed + results.failed.length === 0)) failed.push('no test ran')
  for (const line of skipped) console.log(`skipped  ${line}`)
  for (const line of failed) console.log(`FAILED   ${line}`)
  const passed = all.reduce((sum, results) => sum + results.passed, 0)
  console.log(`${passed} passed, ${failed.length} failed, ${skipped.length} skipped`)
  process.exit(failed.length === 0 ? 0 : 1)
}

if (import.meta.main) main(process.argv[2] ?? 'build/test')
