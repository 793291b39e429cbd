import type { AuditRecord } from '../../contract/reports.ts'
import { commandLine, printable } from '../printable.ts'
import { column } from '../style.ts'

/** Fields that every record has, or that a column of its own shows. */
const COMMON: ReadonlySet<string> = new Set(['timestamp', 'pid', 'user', 'type', 'prev', 'hash', 'sandbox', 'name'])

/** The log as a table: time, event, sandbox, and what is particular to the event. */
export function auditTable(records: readonly AuditRecord[]): string {
  const rows = records.map((record) => [record.timestamp, record.type, sandboxOf(record), detailsOf(record)])
  return [['TIMESTAMP', 'EVENT', 'SANDBOX', 'DETAILS'], ...rows].map(line).join('')
}

function line([timestamp = '', event = '', sandbox = '', details = '']: readonly string[]): string {
  const left = column(printable(timestamp), 26) + column(printable(event), 20) + column(printable(sandbox), 22)
  return `${(left + details).trimEnd()}\n`
}

/** Records are read from a file that others can write, so no field is taken for granted. */
function sandboxOf(record: AuditRecord): string {
  for (const field of [record['sandbox'], record['name']]) if (typeof field === 'string') return field
  return '-'
}

function detailsOf(record: AuditRecord): string {
  const { command, exit_code: exitCode, policy, details } = record
  if (record.type === 'command_executed' && Array.isArray(command)) {
    return `exit ${typeof exitCode === 'number' ? exitCode : '-'}  ${commandLine(command.map(String))}`
  }
  if (record.type === 'policy_violation') return `${printable(text(policy))}: ${printable(text(details))}`
  return Object.entries(record)
    .filter(([key]) => !COMMON.has(key))
    .map(([key, value]) => `${printable(key)}=${printable(text(value))}`)
    .join(' ')
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
