import { parseArgs } from 'node:util'
import { BenchError } from './world.ts'

export interface Options {
  /** Rounds of the interleaved run. @default 60, or 3 with --quick */
  readonly runs: number
  /** Only contenders whose name contains this. */
  readonly only: string | undefined
  /** A small project and few runs: shows that everything works, measures nothing. */
  readonly quick: boolean
  readonly json: boolean
  readonly stages: boolean
  /** Measures everything and writes the figures into BENCHMARK.md. */
  readonly write: boolean
}

export const USAGE = `bun run bench [--runs N] [--only NAME] [--quick] [--stages] [--json] [--write]

  --runs N     rounds of the interleaved run (60)
  --only NAME  only what has NAME in its name, such as "bwrap" or "large"
  --quick      a few runs in a small project: shows that it works, its figures say nothing
  --stages     also where the start goes
  --json       one JSON object instead of tables
  --write      everything (also stages, throughput, audit and soak), into BENCHMARK.md`

/** Throws a BenchError for what cannot be understood, or would write figures of half a run. */
export function parseOptions(args: readonly string[]): Options {
  const flag = { type: 'boolean', default: false } as const
  const options = { runs: { type: 'string' }, only: { type: 'string' }, quick: flag, json: flag, stages: flag, write: flag } as const
  const { values } = parse(() => parseArgs({ args: [...args], options }))
  const runs = Number(values.runs ?? (values.quick ? 3 : 60))
  if (!Number.isInteger(runs) || runs < 1 || runs > 100_000) throw new BenchError(`--runs ${values.runs}: a whole number from 1 to 100000`)
  if (values.write && (values.quick || values.only !== undefined))
    throw new BenchError('--write needs a whole run: without --quick and --only')
  return { ...values, runs, only: values.only }
}

function parse<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new BenchError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`)
  }
}
