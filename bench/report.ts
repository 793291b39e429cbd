import { auditTable, type AuditBench } from './audit.ts'
import type { Machine } from './machine.ts'
import { soakTable, type Soak } from './soak.ts'
import { formatNumber, formatTable, type Table } from './table.ts'
import { targetsTable } from './targets.ts'
import { throughputTable, type Throughput } from './throughput.ts'
import { timesTable, type Absent, type Times } from './times.ts'

/** All that one `bun run bench` found; what was not asked for is missing. `--json` prints it as it is. */
export interface Report {
  readonly machine: Machine
  readonly project: { readonly files: number; readonly folders: number }
  readonly times: readonly Times[]
  readonly firstScan: readonly Times[]
  readonly absent: readonly Absent[]
  /** Peak resident memory in MiB of one run, by folder; undefined without python3. */
  readonly memoryMiB: { readonly empty: number | undefined; readonly large: number | undefined }
  readonly stages?: readonly Times[]
  readonly throughput?: readonly Throughput[]
  readonly audit?: AuditBench
  readonly soak?: Soak
}

export function formatReport(report: Report): string {
  const { files, folders } = report.project
  const tables: Table[] = [
    targetsTable(report),
    factsTable(report.machine),
    timesTable('Whole runs, from spawn to exit', report.times, [
      `The large project has ${count(files)} files in ${count(folders)} folders; what is known of it from earlier runs is warm.`,
      ...report.absent.map(({ name, reason }) => `Not measured: ${name}: ${reason}.`),
    ]),
  ]
  if (report.firstScan.length > 0)
    tables.push(
      timesTable('The first scan of the large project', report.firstScan, ['Nothing is known of the project; the page cache is warm.']),
    )
  tables.push(memoryTable(report.memoryMiB))
  if (report.stages !== undefined) tables.push(timesTable('Where the start goes', report.stages, []))
  if (report.throughput !== undefined) tables.push(throughputTable(report.throughput))
  if (report.audit !== undefined) tables.push(auditTable(report.audit))
  if (report.soak !== undefined) tables.push(soakTable(report.soak))
  return tables.map(formatTable).join('\n\n')
}

function factsTable(machine: Machine): Table {
  return { title: 'Machine', columns: ['fact', 'value'], rows: Object.entries(machine).map(([name, value]) => [name, value]) }
}

function memoryTable({ empty, large }: Report['memoryMiB']): Table {
  const cell = (value: number | undefined): string => (value === undefined ? 'not measured: python3 is not installed' : formatNumber(value))
  return {
    title: 'Peak memory of one run, MiB',
    columns: ['where', 'largest process'],
    rows: [
      ['empty folder', cell(empty)],
      ['large project', cell(large)],
    ],
  }
}

/** 50000 → `50,000`. */
const count = (value: number): string => value.toLocaleString('en-US')
