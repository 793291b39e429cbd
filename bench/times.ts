import { setImmediate } from 'node:timers/promises'
import type { Contender } from './contenders.ts'
import { interleave, summarize, type Summary } from './statistics.ts'
import { formatNumber, type Table } from './table.ts'
import { BenchError, type World } from './world.ts'

/** Spawn to exit as the parent sees it, and the processor time of the process and all it waited for; both in ms. */
export interface Sample {
  readonly wallMs: number
  readonly cpuMs: number
}

export interface Times {
  readonly name: string
  readonly wallMs: Summary
  readonly cpuMs: Summary
  /** Median divided by the baseline's median; undefined when the baseline was not measured. */
  readonly ratio: number | undefined
}

/** What could not be measured here, and why. */
export interface Absent {
  readonly name: string
  readonly reason: string
}

const QUIET = ['ignore', 'ignore', 'ignore'] as const

/** One run with /dev/null as all three streams. Throws a BenchError with the last words of a run that failed. */
export function runOnce({ name, command, cwd, before, exitCode = 0 }: Contender, world: World): Sample {
  before?.()
  const options = { cwd, env: world.env, stdio: [...QUIET] as ['ignore', 'ignore', 'ignore'] }
  const started = performance.now()
  const result = Bun.spawnSync([...command], options)
  const wallMs = performance.now() - started
  if (result.exitCode !== exitCode)
    throw new BenchError(`${name}: exit code ${result.exitCode ?? result.signalCode}: ${lastWords(command, cwd, world)}`)
  return { wallMs, cpuMs: Number(result.resourceUsage!.cpuTime.total) / 1000 }
}

/** Runs it once more, with stderr caught. */
function lastWords(command: readonly string[], cwd: string, world: World): string {
  const { stderr, success } = Bun.spawnSync([...command], { cwd, env: world.env, stdin: 'ignore', stdout: 'ignore', stderr: 'pipe' })
  if (success) return '(it succeeded when tried again)'
  const lines = stderr.toString().trim().split('\n')
  return (lines.find((line) => !line.startsWith("Run '") && line.trim() !== '') ?? 'it said nothing').slice(0, 200)
}

/** Tries each contender twice, which also warms it up. One that is not installed or fails is absent, with the reason. */
export function sortOut(all: readonly Contender[], world: World): { readonly present: Contender[]; readonly absent: Absent[] } {
  const present: Contender[] = []
  const absent: Absent[] = []
  for (const contender of all) {
    const reason = reasonNotToMeasure(contender, world)
    if (reason === undefined) present.push(contender)
    else absent.push({ name: contender.name, reason })
  }
  return { present, absent }
}

function reasonNotToMeasure(contender: Contender, world: World): string | undefined {
  const program = contender.command[0]!
  if (Bun.which(program, { PATH: world.env['PATH']! }) === null) return `${program} is not installed`
  try {
    for (const _ of interleave([contender], 2)) runOnce(contender, world)
    return undefined
  } catch (error) {
    // Our own failure is never a reason to measure less.
    if (!(error instanceof BenchError) || contender.name.startsWith('agentkernel')) throw error
    return error.message.slice(contender.name.length + 2).replace(/[.?!]+$/, '')
  }
}

/** Measures all of them, one run of each in turn, `rounds` times. */
export async function measure(present: readonly Contender[], rounds: number, world: World): Promise<Times[]> {
  const samples = new Map<string, Sample[]>(present.map(({ name }) => [name, []]))
  for (const contender of interleave(present, rounds)) {
    samples.get(contender.name)!.push(runOnce(contender, world))
    // Between two runs, a signal to us is heard.
    await setImmediate()
  }
  return summarizeAll(present, samples)
}

/** Every contender needs at least one sample; a baseline without any gives no ratio. */
export function summarizeAll(present: readonly Contender[], samples: ReadonlyMap<string, readonly Sample[]>): Times[] {
  const wall = (name: string): Summary | undefined => {
    const values = samples.get(name)?.map(({ wallMs }) => wallMs) ?? []
    return values.length === 0 ? undefined : summarize(values)
  }
  return present.map(({ name, baseline }) => {
    const base = baseline === undefined ? undefined : wall(baseline)
    const own = wall(name)!
    const cpuMs = summarize(samples.get(name)!.map((sample) => sample.cpuMs))
    return { name, wallMs: own, cpuMs, ratio: base === undefined ? undefined : own.p50 / base.p50 }
  })
}

export function timesTable(title: string, times: readonly Times[], notes: readonly string[]): Table {
  return {
    title,
    columns: ['what', 'runs', 'p50 ms', 'p95 ms', 'min ms', '× bwrap', 'CPU p50 ms'],
    rows: times.map(({ name, wallMs, cpuMs, ratio }) => [
      name,
      String(wallMs.count),
      ...[wallMs.p50, wallMs.p95, wallMs.min].map(formatNumber),
      ratio === undefined ? '–' : formatNumber(ratio),
      formatNumber(cpuMs.p50),
    ]),
    notes,
  }
}
