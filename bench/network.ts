/**
 * What the only way out costs: `bun bench/network.ts [--quick] [--long] [--write]`, as root. The built program in the network lab of the tests; one
 * client program asks the same servers beside the sandboxes, in a `run`, and in a sandbox that stays. --long: memory over 100,000 requests
 * instead of 20,000. Prints tables, and with --write puts them into BENCHMARK.md.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Authority, createAuthority } from '../src/egress/tls/authority.ts'
import type { Contender } from './contenders.ts'
import { replaceFigures } from './figures-section.ts'
import { atLeast, atMost, growth, measureSpeed, measureWarm, type Speed, speedTable, type Warm, warmTable } from './network-figures.ts'
import type { Place } from './network-place.ts'
import { type NetworkWorld, withNetwork } from './network-world.ts'
import { processOne, residentMiB } from './process-usage.ts'
import { percentile } from './statistics.ts'
import { formatTable } from './table.ts'
import { measure, type Times, timesTable } from './times.ts'
import { BenchError, GUEST, isFresh, LAUNCHER, ROOT, runBench, withWorld, type World } from './world.ts'

export const NETWORK_MARKERS = { begin: '<!-- network: written by `bun bench/network.ts --write` -->', end: '<!-- network: end -->' }
const PAGE = join(ROOT, 'BENCHMARK.md')
const CONNECTIONS = 8
const OPEN_AT_ONCE = 1_000
/** Process 1 gives memory back after three quiet seconds. */
const QUIET_MS = 5_000
/** Memory is looked at so often. */
const LOTS = 10
const WITH_NETWORK = 'agentkernel run /bin/true'

interface Sizes {
  readonly starts: number
  readonly rounds: number
  readonly requests: number
  readonly bytes: number
  /** Requests over which memory is watched. */
  readonly watched: number
}
const USUAL: Sizes = { starts: 40, rounds: 5, requests: 2_000, bytes: 512e6, watched: 20_000 }
const QUICK: Sizes = { starts: 3, rounds: 1, requests: 200, bytes: 32e6, watched: 1_000 }
const LONG_WATCHED = 100_000

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.find((arg) => !['--quick', '--long', '--write'].includes(arg))
  if (unknown !== undefined) throw new BenchError(`${unknown}: bun bench/network.ts [--quick] [--long] [--write]`)
  const isQuick = args.includes('--quick')
  if (isQuick && args.includes('--write')) throw new BenchError('--write needs a whole run: without --quick')
  const sizes = { ...(isQuick ? QUICK : USUAL), ...(args.includes('--long') ? { watched: LONG_WATCHED } : {}) }
  const text = await measureAll(sizes)
  if (!isFresh()) throw new BenchError('the sources or the build changed meanwhile: these figures are of no program. Try again.')
  console.log(isQuick ? `QUICK: these figures say nothing.\n\n${text}` : text)
  if (args.includes('--write')) writeFileSync(PAGE, replaceFigures(readFileSync(PAGE, 'utf8'), text, NETWORK_MARKERS))
  return 0
}

async function measureAll(sizes: Sizes): Promise<string> {
  const starts = await withWorld((world) => measureStarts(world, sizes.starts))
  const { warm, memory, opened } = await withWorld((world) => withNetwork(world, (network) => measureOpened(network, sizes)))
  const passed = await withWorld((world) => withNetwork(world, (network) => measurePassed(network, sizes)))
  const [run, box] = [warm.find(({ name }) => name.includes('`run`'))!, warm.find(({ name }) => name.includes('stays'))!]
  const targets = {
    title: 'The network: targets',
    columns: ['what', 'target', 'measured', 'met'],
    rows: [
      startRow(starts),
      ...warmRows(warm[0]!, run, ''),
      ...warmRows(warm[0]!, box, ', in a sandbox that stays'),
      ...speedRows(passed.speeds),
      atMost('a leaf certificate, p50', leafMs(), 3, 'ms'),
      atLeast(
        `HTTPS connections opened by the gateway at once, answered, of ${OPEN_AT_ONCE}`,
        opened.answered,
        OPEN_AT_ONCE,
        'connections',
      ),
      atLeast(`TCP connections at once, answered, of ${OPEN_AT_ONCE}`, passed.answered, OPEN_AT_ONCE, 'connections'),
      atMost(
        `memory of the gateway, more in the second half of ${sizes.watched} requests than in the first`,
        growth(memory.gatewayMiB),
        16,
        'MiB',
      ),
      atMost('memory of process 1 with a network, idle after these', memory.oneIdle, 10, 'MB'),
      ...['agentkernel-guest', 'agentkernel-guest-net'].map((name) => atMost(`size of ${name}`, sizeMB(name), 10, 'MB')),
    ],
    notes: [
      `Memory of the gateway over these requests: ${memory.gatewayMiB.map((each) => each.toFixed(0)).join(', ')} MiB. Memory of process 1: ${[
        `${memory.oneStart.toFixed(1)} MB at its start`,
        `${memory.oneBusy.toFixed(1)} MB at the end of these`,
        `${memory.oneFull.toFixed(1)} MB after ${OPEN_AT_ONCE} open connections`,
        `${memory.oneQuiet.toFixed(1)} MB some seconds after they had closed`,
      ].join(', ')}.`,
    ],
  }
  return [targets, timesTable('One start with a network', starts, []), warmTable(warm, CONNECTIONS), speedTable(passed.speeds)]
    .map(formatTable)
    .join('\n\n')
}

function measureStarts(world: World, rounds: number): Promise<Times[]> {
  const cwd = world.empty
  const bare = ['--ro-bind', '/', '/', '--proc', '/proc', '--dev', '/dev', '--die-with-parent', '--new-session', '--', '/bin/true']
  const baseline = 'bwrap /bin/true'
  const contenders: Contender[] = [
    { name: baseline, command: ['bwrap', '--unshare-all', ...bare], cwd, baseline },
    { name: "bwrap /bin/true, the machine's network", command: ['bwrap', '--unshare-all', '--share-net', ...bare], cwd, baseline },
    { name: `${WITH_NETWORK}, --no-network`, command: [LAUNCHER, 'run', '--no-network', '/bin/true'], cwd, baseline },
    { name: WITH_NETWORK, command: [LAUNCHER, 'run', '/bin/true'], cwd, baseline },
  ]
  return measure(contenders, 2, world).then(() => measure(contenders, rounds, world))
}

/** In MiB for the gateway, which is the whole program; in MB for process 1, whose target is in these. */
interface Memory {
  /** After each lot of the requests that are watched. */
  readonly gatewayMiB: readonly number[]
  readonly oneStart: number
  readonly oneBusy: number
  /** Some seconds after that. */
  readonly oneIdle: number
  readonly oneFull: number
  readonly oneQuiet: number
}

/** Connections whose TLS the gateway opens. */
async function measureOpened(network: NetworkWorld, sizes: Sizes): Promise<{ warm: Warm[]; memory: Memory; opened: { answered: number } }> {
  const [direct, run, box] = [await network.direct(), await network.run('secret'), await network.box()]
  const [gateway, one] = [run.pid, processOne(run.pid)]
  if (one === undefined) throw new BenchError('process 1 of the run is not to be found')
  const oneMB = (): number => (residentMiB(one) * 1_024 ** 2) / 1e6
  const oneStart = oneMB()
  const warm = await measureWarm([direct, run, box], { rounds: sizes.rounds, requests: sizes.requests, connections: CONNECTIONS })
  const gatewayMiB: number[] = []
  for (let lot = 0; lot < LOTS; lot++) {
    await run.ask({ task: 'requests', connections: CONNECTIONS, count: sizes.watched / LOTS })
    gatewayMiB.push(residentMiB(gateway))
  }
  const oneBusy = oneMB()
  await Bun.sleep(QUIET_MS)
  const memory = { gatewayMiB, oneStart, oneBusy, oneIdle: oneMB() }
  const { answer: opened } = await run.ask({ task: 'open', kind: 'https', count: OPEN_AT_ONCE })
  const oneFull = oneMB()
  await Bun.sleep(QUIET_MS)
  const oneQuiet = oneMB()
  await endAll(direct, run, box)
  return { warm, memory: { ...memory, oneFull, oneQuiet }, opened }
}

/** Connections that only pass through. */
async function measurePassed(network: NetworkWorld, sizes: Sizes): Promise<{ speeds: Speed[]; answered: number }> {
  const places = [await network.direct(), await network.run('public')] as const
  const speeds = await measureSpeed(places, sizes.rounds, sizes.bytes)
  const { answer } = await places[1].ask({ task: 'open', kind: 'tcp', count: OPEN_AT_ONCE })
  await endAll(...places)
  return { speeds, answered: answer.answered }
}

async function endAll(...places: readonly Place[]): Promise<void> {
  await Promise.all(places.map((place) => place.end()))
}

function startRow(starts: readonly Times[]): string[] {
  return atMost(
    '`run /bin/true` with a network, whole process, p50',
    starts.find(({ name }) => name === WITH_NETWORK)!.wallMs.p50,
    35,
    'ms',
  )
}

function warmRows(direct: Warm, { p50Ms, perSecond, gatewayMs }: Warm, where: string): string[][] {
  return [
    atMost(`opened HTTPS request, added p50${where}`, p50Ms - direct.p50Ms, 1, 'ms'),
    atMost(`gateway CPU for it${where}`, gatewayMs!.one, 0.6, 'ms'),
    atLeast(`requests over ${CONNECTIONS} connections${where}`, perSecond, 1_000, '/s'),
  ]
}

function speedRows(speeds: readonly Speed[]): string[][] {
  const { down, up } = speeds.at(-1)!
  return [atLeast('TCP into the sandbox', down, 200, 'MB/s'), atLeast('TCP out of the sandbox', up, 200, 'MB/s')]
}

function leafMs(): number {
  const authority = new Authority(createAuthority('bench', new Date()))
  const times = Array.from({ length: 101 }, (_, index) => {
    const beganMs = performance.now()
    authority.leaf(`n${index}.example.test`)
    return performance.now() - beganMs
  })
  return percentile(times.slice(1), 0.5)
}

const sizeMB = (name: string): number => statSync(join(GUEST, '..', name)).size / 1e6

if (import.meta.main) await runBench(() => main(process.argv.slice(2)))
