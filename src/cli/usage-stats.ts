import type { AuditRecord } from '../contract/reports.ts'
import type { SandboxStats } from '../contract/sandboxes.ts'
import { formatByteSize } from '../lib/byte-size.ts'
import { roughly } from './moments.ts'
import { commandLine, printable } from './printable.ts'
import { facts, table } from './table.ts'

/** How many programs are named. */
const MOST_PROGRAMS = 10

/** What the audit log says was done. Lengths in ms. */
export interface Usage {
  readonly records: number
  readonly first: string | null
  readonly last: string | null
  readonly commands: {
    readonly total: number
    readonly succeeded: number
    readonly failed: number
    readonly duration_ms: { readonly total: number; readonly average: number; readonly longest: number }
    readonly by_backend: Readonly<Record<string, number>>
    readonly by_profile: Readonly<Record<string, number>>
    /** Most used first. */
    readonly programs: readonly { readonly program: string; readonly count: number }[]
  }
  readonly sandboxes: { readonly created: number; readonly removed: number; readonly errors: number }
  readonly policy_violations: number
  readonly events: Readonly<Record<string, number>>
}

/** Counts records. They come from a file that others can write, so no field is taken for granted. */
export function countUsage(records: readonly AuditRecord[]): Usage {
  const commands = records.filter(({ type }) => type === 'command_executed')
  const lengths = commands.map(({ duration_ms: ms }) => (typeof ms === 'number' && Number.isFinite(ms) && ms > 0 ? ms : 0))
  const total = lengths.reduce((sum, ms) => sum + ms, 0)
  const succeeded = commands.filter(({ exit_code: exit }) => exit === 0).length
  const events = count(records.map(({ type }) => type))
  return {
    records: records.length,
    first: records[0]?.timestamp ?? null,
    last: records.at(-1)?.timestamp ?? null,
    commands: {
      total: commands.length,
      succeeded,
      failed: commands.length - succeeded,
      duration_ms: {
        total: Math.round(total),
        average: commands.length === 0 ? 0 : Math.round(total / commands.length),
        longest: Math.round(lengths.reduce((longest, ms) => Math.max(longest, ms), 0)),
      },
      by_backend: count(commands.map(({ backend }) => backend)),
      by_profile: count(commands.map(({ profile }) => profile)),
      programs: Object.entries(count(commands.map(({ command }) => (Array.isArray(command) ? command[0] : undefined))))
        .map(([program, times]) => ({ program, count: times }))
        .toSorted((a, b) => b.count - a.count || (a.program < b.program ? -1 : 1))
        .slice(0, MOST_PROGRAMS),
    },
    sandboxes: {
      created: events['sandbox_created'] ?? 0,
      removed: events['sandbox_removed'] ?? 0,
      errors: events['sandbox_error'] ?? 0,
    },
    policy_violations: events['policy_violation'] ?? 0,
    events,
  }
}

/** How often each text occurs, in the order of their names. */
function count(values: readonly unknown[]): Record<string, number> {
  const counts = new Map<string, number>()
  for (const value of values) if (typeof value === 'string') counts.set(value, (counts.get(value) ?? 0) + 1)
  return Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** The same for a person. */
export function usagePage(usage: Usage): string {
  const { commands, sandboxes } = usage
  const listed = (counts: Readonly<Record<string, number>>): string | undefined =>
    Object.keys(counts).length === 0
      ? undefined
      : Object.entries(counts)
          .map(([name, times]) => `${printable(name)} ${times}`)
          .join(', ')
  const { total, average, longest } = commands.duration_ms
  return facts([
    ['Records', String(usage.records)],
    ['From', usage.first === null ? undefined : printable(String(usage.first))],
    ['To', usage.last === null ? undefined : printable(String(usage.last))],
    ['Commands', `${commands.total} (${commands.succeeded} succeeded, ${commands.failed} failed)`],
    ['Time', commands.total === 0 ? undefined : `${roughly(total / 1000)} in all, ${length(average)} each, ${length(longest)} the longest`],
    ['Backends', listed(commands.by_backend)],
    ['Profiles', listed(commands.by_profile)],
    ['Programs', commands.programs.map(({ program, count: times }) => `${printable(program)} ${times}`).join(', ') || undefined],
    ['Sandboxes', `${sandboxes.created} created, ${sandboxes.removed} removed, ${sandboxes.errors} errors`],
    ['Refusals', String(usage.policy_violations)],
  ])
}

function length(ms: number): string {
  return ms < 10_000 ? `${ms} ms` : roughly(ms / 1000)
}

/** What a sandbox uses, for a person. */
export function statsPage(found: SandboxStats): string {
  const { memory_bytes: used, memory_limit_bytes: limit, cpu_ms: cpu } = found
  const size = (bytes: number | undefined): string => (bytes === undefined ? '-' : formatByteSize(bytes))
  const share = used === undefined || limit === undefined || limit === 0 ? '-' : `${((used / limit) * 100).toFixed(1)}%`
  const row = [
    printable(found.sandbox),
    printable(found.status),
    cpu === undefined ? '-' : `${(cpu / 1000).toFixed(2)}s`,
    `${size(used)} / ${size(limit)}`,
    share,
    size(found.memory_peak_bytes),
    found.process_count === undefined ? '-' : String(found.process_count),
  ]
  const processes = (found.processes ?? []).map(({ pid, rss, cpu_ms: ms, argv }) => [
    String(pid),
    size(rss),
    `${(ms / 1000).toFixed(2)}s`,
    commandLine(argv),
  ])
  return table(SANDBOX_COLUMNS, [row]) + (processes.length === 0 ? '' : `\n${table(PROCESS_COLUMNS, processes)}`)
}

const SANDBOX_COLUMNS = [
  { title: 'NAME', width: 20 },
  { title: 'STATUS', width: 10 },
  { title: 'CPU TIME', width: 10 },
  { title: 'MEM USAGE / LIMIT', width: 22 },
  { title: 'MEM %', width: 8 },
  { title: 'MEM PEAK', width: 10 },
  { title: 'PIDS', width: 0 },
]
const PROCESS_COLUMNS = [
  { title: 'PID', width: 8 },
  { title: 'MEMORY', width: 10 },
  { title: 'CPU TIME', width: 10 },
  { title: 'COMMAND', width: 0 },
]
