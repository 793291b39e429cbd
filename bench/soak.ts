import { setImmediate } from 'node:timers/promises'
import { contenders } from './contenders.ts'
import { adoptOrphans, takeCounts, type Counts } from './soak-counts.ts'
import { formatTable, type Table } from './table.ts'
import { runOnce } from './times.ts'
import { runBench, withWorld, type World } from './world.ts'

export interface Soak {
  readonly runs: number
  readonly before: Counts
  readonly after: Counts
}

/** Enough for everything that is made once to be there. */
const WARM_UP = 5

/** `runs` runs, one after the other, and what there was before and after them. */
export async function soak(world: World, runs: number): Promise<Soak> {
  adoptOrphans()
  const run = contenders(world, world.empty).find(({ name }) => name === 'agentkernel run /bin/true, empty folder')!
  for (let index = 0; index < WARM_UP; index++) runOnce(run, world)
  const before = takeCounts(world)
  for (let index = 0; index < runs; index++) {
    runOnce(run, world)
    // Between two runs, a signal to us is heard.
    await setImmediate()
  }
  return { runs, before, after: takeCounts(world) }
}

/** Names of what there is more of than before. */
export function grown({ before, after }: Pick<Soak, 'before' | 'after'>): string[] {
  return (Object.keys(before) as (keyof Counts)[]).filter((name) => after[name] > before[name])
}

export function soakTable(result: Soak): Table {
  const names = Object.keys(result.before) as (keyof Counts)[]
  return {
    title: `What ${result.runs} runs leave behind`,
    columns: ['what', 'before', 'after', 'more'],
    rows: names.map((name) => [name, ...[result.before[name], result.after[name], result.after[name] - result.before[name]].map(String)]),
    notes: ['The audit log is one file; it grows by one line a run, as it must.'],
  }
}

/** Exit code 1 when something grew. */
async function main(): Promise<number> {
  const result = await withWorld((world) => soak(world, process.argv.includes('--quick') ? 50 : 2_000))
  console.log(formatTable(soakTable(result)))
  const more = grown(result)
  if (more.length > 0) console.error(`\nsoak: more than before: ${more.join(', ')}`)
  return more.length > 0 ? 1 : 0
}

if (import.meta.main) await runBench(main)
