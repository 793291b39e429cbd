import { contenders } from './contenders.ts'
import { interleave } from './statistics.ts'
import { formatNumber, formatTable, type Table } from './table.ts'
import { BenchError, runBench, withWorld, type World } from './world.ts'

export interface Throughput {
  readonly name: string
  readonly runs: number
  readonly atOnce: number
  readonly perSecond: number
}

const BLOCKS = 2

/** Runs per second when `atOnce` are always under way, ours and bare bwrap's in blocks that take turns. */
export async function measureThroughput(
  world: World,
  { runs, atOnce }: { readonly runs: number; readonly atOnce: number },
): Promise<Throughput[]> {
  const names = ['bwrap /bin/true', 'agentkernel run /bin/true, empty folder']
  const chosen = contenders(world, world.empty).filter(({ name }) => names.includes(name))
  const seconds = new Map(chosen.map(({ name }) => [name, 0]))
  // One round more, the first, is not counted: it warms up.
  let round = 0
  for (const { name, command } of interleave(chosen, BLOCKS + 1)) {
    const isWarmUp = round++ < chosen.length
    const count = isWarmUp ? atOnce : Math.ceil(runs / BLOCKS)
    const took = await runBlock(command, { count, atOnce, world })
    if (!isWarmUp) seconds.set(name, seconds.get(name)! + took)
  }
  const counted = Math.ceil(runs / BLOCKS) * BLOCKS
  return chosen.map(({ name }) => ({ name, runs: counted, atOnce, perSecond: counted / seconds.get(name)! }))
}

/** How long `count` runs take, in seconds. */
async function runBlock(
  command: readonly string[],
  { count, atOnce, world }: { readonly count: number; readonly atOnce: number; readonly world: World },
): Promise<number> {
  let left = count
  let failed = 0
  const started = performance.now()
  const worker = async (): Promise<void> => {
    while (left-- > 0) {
      const child = Bun.spawn([...command], { cwd: world.empty, env: world.env, stdio: ['ignore', 'ignore', 'ignore'] })
      if ((await child.exited) !== 0) failed++
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  if (failed > 0) throw new BenchError(`${failed} of ${count} concurrent runs failed: ${command.join(' ')}`)
  return (performance.now() - started) / 1000
}

export function throughputTable(results: readonly Throughput[]): Table {
  return {
    title: 'Concurrent runs',
    columns: ['what', 'runs', 'at once', 'runs/s'],
    rows: results.map(({ name, runs, atOnce, perSecond }) => [name, String(runs), String(atOnce), formatNumber(perSecond)]),
  }
}

async function main(): Promise<number> {
  const runs = process.argv.includes('--quick') ? 40 : 400
  console.log(formatTable(throughputTable(await withWorld((world) => measureThroughput(world, { runs, atOnce: 20 })))))
  return 0
}

if (import.meta.main) await runBench(main)
