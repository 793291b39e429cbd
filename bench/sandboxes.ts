/**
 * Sandboxes that stay, through the daemon's socket: `bun bench/sandboxes.ts [--quick] [--write]`. The daemon is the built program in folders of
 * its own; one client process measures from outside. Prints one table, and with --write puts it into BENCHMARK.md.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startDaemon, type TestDaemon } from '../test/support/daemon.ts'
import { replaceFigures } from './figures-section.ts'
import { percentile } from './statistics.ts'
import { formatNumber, formatTable, type Table } from './table.ts'
import { BenchError, isFresh, ROOT, runBench } from './world.ts'

const BEGIN = '<!-- sandboxes: written by `bun bench/sandboxes.ts --write` -->'
const END = '<!-- sandboxes: end -->'
const PAGE = join(ROOT, 'BENCHMARK.md')
const MIB = 1024 ** 2

interface Row {
  readonly what: string
  readonly target: string
  readonly measured: string
  readonly met: boolean
}

async function main(): Promise<number> {
  const quick = process.argv.includes('--quick')
  const rows = await measureSandboxes(quick)
  if (!isFresh()) throw new BenchError('the sources or the build changed meanwhile: these figures are of no program. Try again.')
  const table: Table = {
    title: 'Sandboxes that stay',
    columns: ['what', 'target', 'measured', 'met'],
    rows: rows.map(({ what, target, measured, met }) => [what, target, measured, met ? 'yes' : '**no**']),
  }
  const text = formatTable(table)
  console.log(text)
  if (process.argv.includes('--write')) writeFileSync(PAGE, replaceFigures(readFileSync(PAGE, 'utf8'), text, { begin: BEGIN, end: END }))
  return 0
}

async function measureSandboxes(quick: boolean): Promise<Row[]> {
  const many = quick ? 40 : 500
  const few = await withDaemon(async (daemon) => [
    ...(await execs(daemon, quick ? 100 : 1_000)),
    await firstResult(daemon, quick ? 10 : 100),
    ...(await streams(daemon, quick ? 64 : 512)),
  ])
  const burst = await withDaemon((daemon) => burstOf(daemon, quick ? 20 : 100))
  const idle = await withDaemon((daemon) => idling(daemon, many))
  return [...few, burst, ...idle]
}

async function withDaemon<T>(work: (daemon: TestDaemon) => Promise<T>): Promise<T> {
  const daemon = await startDaemon({ built: true })
  try {
    return await work(daemon)
  } finally {
    await daemon.dispose()
  }
}

/** Asks the daemon and reads the answer to its end. Fails on anything but success. */
async function ask({ fetch: send }: TestDaemon, method: string, path: string, body?: object): Promise<void> {
  const reply = await send(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  const answer = (await reply.json()) as { success: boolean; error?: string }
  if (!answer.success) throw new BenchError(`${method} ${path}: ${answer.error}`)
}

const create = (daemon: TestDaemon, name: string): Promise<void> => ask(daemon, 'POST', '/sandboxes', { name })
const echo = (daemon: TestDaemon, name: string): Promise<void> =>
  ask(daemon, 'POST', `/sandboxes/${name}/exec`, { command: ['echo', 'hi'] })

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

async function execs(daemon: TestDaemon, count: number): Promise<Row[]> {
  await create(daemon, 'exec')
  for (let i = 0; i < count / 5; i++) await echo(daemon, 'exec')
  const times: number[] = []
  for (let i = 0; i < count; i++) times.push(await timed(() => echo(daemon, 'exec')))
  const clients = 8
  const perClient = Math.ceil(count / clients)
  const ms = await timed(() =>
    Promise.all(
      Array.from({ length: clients }, async () => {
        for (let i = 0; i < perClient; i++) await echo(daemon, 'exec')
      }),
    ),
  )
  const cli: number[] = []
  for (let i = 0; i < Math.max(10, count / 20); i++) cli.push(await timed(() => cliExec(daemon)))
  await ask(daemon, 'DELETE', '/sandboxes/exec')
  return [
    atMost('exec `echo`, p50', percentile(times, 0.5), 2, 'ms'),
    atMost('exec `echo`, p99', percentile(times, 0.99), 8, 'ms'),
    atLeast('exec `echo` from 8 clients', (clients * perClient * 1000) / ms, 600, '/s'),
    atMost('`agentkernel exec`, whole process, p50', percentile(cli, 0.5), 15, 'ms'),
  ]
}

async function cliExec({ home }: TestDaemon): Promise<void> {
  const env = {
    HOME: home,
    XDG_DATA_HOME: join(home, 'xdg-data'),
    XDG_CONFIG_HOME: join(home, 'xdg-config'),
    XDG_RUNTIME_DIR: home,
    BUN_JSC_thresholdForJITAfterWarmUp: '5000',
  }
  const child = Bun.spawn([join(ROOT, 'build', 'agentkernel'), 'exec', 'exec', '--', 'echo', 'hi'], {
    env,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if ((await child.exited) !== 0) throw new BenchError('agentkernel exec failed')
}

async function firstResult(daemon: TestDaemon, count: number): Promise<Row> {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    times.push(
      await timed(async () => {
        await create(daemon, `first${i}`)
        await echo(daemon, `first${i}`)
      }),
    )
    await ask(daemon, 'DELETE', `/sandboxes/first${i}`)
  }
  return atMost('create to first exec result, p50', percentile(times, 0.5), 30, 'ms')
}

async function burstOf(daemon: TestDaemon, count: number): Promise<Row> {
  const ms = await timed(() =>
    Promise.all(
      Array.from({ length: count }, async (_, i) => {
        await create(daemon, `burst${i}`)
        await echo(daemon, `burst${i}`)
      }),
    ),
  )
  return atMost(`${count} creates at once, all usable`, ms / 1000, (2 * count) / 100, 's')
}

/** Bytes through the raw routes. */
async function streams(daemon: TestDaemon, mib: number): Promise<Row[]> {
  await create(daemon, 'bytes')
  const bytes = mib * MIB
  const out = await timed(() => drain(daemon, bytes))
  const upload = await timed(() => put(daemon, bytes))
  const download = await timed(() => get(daemon, bytes))
  // Flat: what it takes does not grow with what goes through.
  const memory = await rounds(daemon, Math.ceil(bytes / 4), 4)
  await ask(daemon, 'DELETE', '/sandboxes/bytes')
  const rate = (ms: number): number => bytes / 1e6 / (ms / 1000)
  return [
    atLeast('stdout of a command, raw', rate(out), 300, 'MB/s'),
    atLeast('upload, raw', rate(upload), 300, 'MB/s'),
    atLeast('download, raw', rate(download), 300, 'MB/s'),
    atMost(`memory of the daemon after another ${mib} MiB each way, more than before`, memory, 16, 'MiB'),
  ]
}

/** How much more memory the daemon takes after some rounds of uploads and downloads than after the first of them, in MiB. */
async function rounds(daemon: TestDaemon, bytes: number, count: number): Promise<number> {
  const round = async (): Promise<number> => {
    await put(daemon, bytes)
    await get(daemon, bytes)
    return residentMiB(daemon.pid)
  }
  const first = await round()
  let last = first
  for (let i = 0; i < count; i++) last = await round()
  return last - first
}

async function put(daemon: TestDaemon, bytes: number): Promise<void> {
  const reply = await daemon.fetch('/sandboxes/bytes/raw/home/user/big', { method: 'PUT', body: zeros(bytes) })
  await reply.json()
}

async function get(daemon: TestDaemon, bytes: number): Promise<void> {
  const reply = await daemon.fetch('/sandboxes/bytes/raw/home/user/big')
  let seen = 0
  for await (const part of reply.body!) seen += part.length
  if (seen !== bytes) throw new BenchError(`${seen} of ${bytes} bytes came`)
}

/** A detached command's output, followed to its end over its raw route. */
async function drain(daemon: TestDaemon, bytes: number): Promise<void> {
  const started = await daemon.fetch('/sandboxes/bytes/exec/detach', {
    method: 'POST',
    body: JSON.stringify({ command: ['head', '-c', `${bytes}`, '/dev/zero'] }),
  })
  const { data } = (await started.json()) as { data: { id: string } }
  const reply = await daemon.fetch(`/sandboxes/bytes/exec/detached/${data.id}/output?stream=stdout&follow=true`)
  let seen = 0
  for await (const part of reply.body!) seen += part.length
  // What the log no longer holds is a gap, which is the price of not reading; nothing may be missing when the reader keeps up.
  if (seen < Math.min(bytes, 256 * MIB)) throw new BenchError(`${seen} of ${bytes} bytes of output came`)
}

function zeros(bytes: number): ReadableStream<Uint8Array> {
  const piece = new Uint8Array(256 * 1024)
  let left = bytes
  return new ReadableStream({
    pull: (controller) => {
      if (left <= 0) return controller.close()
      controller.enqueue(piece.subarray(0, Math.min(left, piece.length)))
      left -= piece.length
    },
  })
}

async function idling(daemon: TestDaemon, count: number): Promise<Row[]> {
  for (let i = 0; i < count; i += 10) {
    await Promise.all(Array.from({ length: Math.min(10, count - i) }, (_, j) => create(daemon, `idle${i + j}`)))
  }
  const lists: number[] = []
  for (let i = 0; i < 20; i++) lists.push(await timed(() => ask(daemon, 'GET', '/sandboxes')))
  await Bun.sleep(3_000)
  const before = cpuMs(daemon.pid)
  const seconds = 10
  await Bun.sleep(seconds * 1000)
  const cpu = ((cpuMs(daemon.pid) - before) / (seconds * 1000)) * 100
  const each = pssMiB() / count
  return [
    atMost(`memory of each of ${count} idle sandboxes (PSS: shim, bubblewrap, agent)`, each, 8, 'MiB'),
    atMost(`memory of the daemon with ${count} sandboxes`, residentMiB(daemon.pid), 150, 'MiB'),
    atMost('CPU of the idle daemon', cpu, 1, '%'),
    atMost(`list of ${count}, p50`, percentile(lists, 0.5), 20, 'ms'),
  ]
}

/** Proportional set sizes of every process below a shim, in MiB. No other sandbox may run on the machine meanwhile. */
function pssMiB(): number {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const parents = new Map(all.map((pid) => [pid, /^PPid:\s+(\d+)/m.exec(textOf(`/proc/${pid}/status`))?.[1] ?? '0']))
  const shims = new Set(all.filter((pid) => textOf(`/proc/${pid}/cmdline`).includes('agentkernel-guest\0shim')))
  const inTree = (pid: string): boolean => shims.has(pid) || (parents.has(pid) && pid !== '0' && inTree(parents.get(pid)!))
  const kilobytes = all.filter(inTree).map((pid) => Number(/^Pss:\s+(\d+)/m.exec(textOf(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0))
  return kilobytes.reduce((sum, kb) => sum + kb, 0) / 1024
}

const residentMiB = (pid: number): number => Number(/^VmRSS:\s+(\d+)/m.exec(textOf(`/proc/${pid}/status`))?.[1] ?? 0) / 1024

function cpuMs(pid: number): number {
  const fields = textOf(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? []
  // Fields 14 and 15 of proc(5), in hundredths of a second.
  return (Number(fields[11]) + Number(fields[12])) * 10
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function atMost(what: string, value: number, limit: number, unit: string): Row {
  return { what, target: `≤ ${limit} ${unit}`, measured: `${formatNumber(value)} ${unit}`, met: value <= limit }
}
function atLeast(what: string, value: number, limit: number, unit: string): Row {
  return { what, target: `≥ ${limit} ${unit}`, measured: `${formatNumber(value)} ${unit}`, met: value >= limit }
}

if (import.meta.main) await runBench(main)
