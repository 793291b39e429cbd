import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { measureAudit } from './audit.ts'
import { coldScan, contenders } from './contenders.ts'
import { replaceFigures } from './figures-section.ts'
import { LARGE_PROJECT } from './fixtures/large-project.ts'
import { describeMachine } from './machine.ts'
import { peakMemoryMiB } from './memory.ts'
import { parseOptions, USAGE, type Options } from './options.ts'
import { formatReport, type Report } from './report.ts'
import { grown, soak } from './soak.ts'
import { measureStages } from './stages.ts'
import { measureThroughput } from './throughput.ts'
import { measure, sortOut } from './times.ts'
import { BenchError, isFresh, largeProject, ROOT, runBench, withWorld, type World } from './world.ts'

const PAGE = join(ROOT, 'BENCHMARK.md')
const QUICK_PROJECT = { files: 2_000, folders: 100 } as const

/** `bun run bench`: measures, prints, and with --write puts the figures into BENCHMARK.md. */
async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    console.log(USAGE)
    return 0
  }
  const options = parseOptions(args)
  const report = await measureAll(options)
  if (!isFresh()) throw new BenchError('the sources or the build changed meanwhile: these figures are of no program. Try again.')
  const text = formatReport(report)
  console.log(options.json ? JSON.stringify(report, null, 2) : `${options.quick ? 'QUICK: these figures say nothing.\n\n' : ''}${text}`)
  if (options.write) writeFileSync(PAGE, replaceFigures(readFileSync(PAGE, 'utf8'), text))
  return report.soak !== undefined && grown(report.soak).length > 0 ? 1 : 0
}

/** Each part has a home of its own, so that none meets what another left. */
async function measureAll(options: Options): Promise<Report> {
  const report = await withWorld((world) => measureTimes(world, options))
  const stages = options.stages || options.write ? await withWorld((world) => measureStages(options.runs, world)) : undefined
  if (!options.write) return { ...report, ...(stages !== undefined && { stages }) }
  return {
    ...report,
    ...(stages !== undefined && { stages }),
    throughput: await withWorld((world) => measureThroughput(world, { runs: 400, atOnce: 20 })),
    audit: await withWorld((world) => measureAudit(world, { writers: 20, each: 1_000 })),
    soak: await withWorld((world) => soak(world, 2_000)),
  }
}

async function measureTimes(world: World, { runs, only = '', quick }: Options): Promise<Report> {
  // Before anything else: the machine's load is to be that of others.
  const machine = describeMachine(world.home)
  const project = quick ? QUICK_PROJECT : LARGE_PROJECT
  const large = await largeProject(world, project)
  const chosen = contenders(world, large).filter(({ name }) => name.includes(only))
  const cold = [coldScan(world, large)].filter(({ name }) => name.includes(only))
  if (chosen.length + cold.length === 0) throw new BenchError(`--only ${only}: nothing that is measured has that in its name`)
  const { present, absent } = sortOut(chosen, world)
  const times = await measure(present, runs, world)
  // Apart from the others: each of them takes as long as several of those. bubblewrap is measured again as their baseline.
  const coldRounds = Math.max(3, Math.ceil(runs / 6))
  const baseline = present.filter(({ name }) => name === cold[0]?.baseline)
  const firstScan = await measure([...baseline, ...cold], coldRounds, world)
  const memoryRuns = quick ? 1 : 5
  const memoryMiB = { empty: peakMemoryMiB(world.empty, memoryRuns, world), large: peakMemoryMiB(large, memoryRuns, world) }
  return { machine, project, times, firstScan, absent, memoryMiB }
}

await runBench(() => main(process.argv.slice(2)))
