import type { Report } from './report.ts'
import { grown } from './soak.ts'
import { formatNumber, type Table } from './table.ts'

const TRUE_EMPTY = 'agentkernel run /bin/true, empty folder'
const TRUE_LARGE = 'agentkernel run /bin/true, large project'

/** What we promise, what this run found, and whether that keeps the promise. What was not measured has no row. */
export function targetsTable(report: Report): Table {
  const p50 = (name: string): number | undefined => report.times.find((times) => times.name === name)?.wallMs.p50
  const [empty, large] = [p50(TRUE_EMPTY), p50(TRUE_LARGE)]
  const peak = Math.max(report.memoryMiB.empty ?? 0, report.memoryMiB.large ?? 0)
  const more = report.soak === undefined ? undefined : grown(report.soak)
  const rows = [
    atMost('`run /bin/true` in an empty folder, p50', empty, 20, ' ms'),
    atMost('the same, against bare bubblewrap', report.times.find(({ name }) => name === TRUE_EMPTY)?.ratio, 4, ' ×'),
    atMost('more in the large project', empty === undefined || large === undefined ? undefined : large - empty, 20, ' ms'),
    atMost('peak memory', peak === 0 ? undefined : peak, 60, ' MiB'),
    atLeast('concurrent runs', report.throughput?.find(({ name }) => name === TRUE_EMPTY)?.perSecond, 100, ' runs/s'),
    more === undefined
      ? undefined
      : [`left behind by ${report.soak!.runs} runs`, 'nothing', more.join(', ') || 'nothing', verdict(more.length === 0)],
    report.audit === undefined
      ? undefined
      : [`${report.audit.records} audit records of ${report.audit.writers} writers`, 'verify', 'verify', verdict(true)],
  ]
  return { title: 'Targets', columns: ['what', 'target', 'measured', 'met'], rows: rows.filter((row) => row !== undefined) }
}

function atMost(what: string, value: number | undefined, limit: number, unit: string): string[] | undefined {
  return value === undefined ? undefined : [what, `≤ ${limit}${unit}`, formatNumber(value) + unit, verdict(value <= limit)]
}

function atLeast(what: string, value: number | undefined, limit: number, unit: string): string[] | undefined {
  return value === undefined ? undefined : [what, `≥ ${limit}${unit}`, formatNumber(value) + unit, verdict(value >= limit)]
}

const verdict = (isMet: boolean): string => (isMet ? 'yes' : '**no**')
