import { AppError } from '../../contract/errors.ts'
import type { Command } from '../command.ts'
import { JSON_FLAG } from '../command.ts'
import { usageError } from '../parse-arguments.ts'
import { printable, printableJson, quoted } from '../printable.ts'
import { auditTable } from './audit-table.ts'

const verify: Command = {
  spec: {
    name: 'audit verify',
    summary: 'Check the audit log for changes',
    description:
      'Every record carries the hash of the one before. Exits with 1 and names the first broken record when the chain does not hold.',
    usage: ['audit verify [flags]'],
    positionals: { kind: 'none' },
    flags: [JSON_FLAG],
    examples: [
      { command: 'agentkernel audit verify', note: 'Check the whole log' },
      { command: 'agentkernel audit verify --json', note: 'The same for a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const report = await (await context.operations()).auditVerify()
    if (args.has('json')) {
      context.stdout.write(`${printableJson(report, 2)}\n`)
      return report.ok ? 0 : 1
    }
    if (!report.ok) {
      const { line, reason } = report.broken ?? { line: 0, reason: 'the log does not verify' }
      throw new AppError('audit_broken', `${report.path}${line === 0 ? '' : `, record ${line}`}: ${reason}`)
    }
    context.stdout.write(
      `OK: ${report.records} ${report.records === 1 ? 'record' : 'records'}, unchanged since written (${printable(report.path)})\n`,
    )
    return 0
  },
}

export const audit: Command = {
  spec: {
    name: 'audit',
    summary: 'Read the audit log',
    usage: ['audit [flags]', 'audit verify [flags]'],
    positionals: { kind: 'none' },
    flags: [
      { name: 'sandbox', short: 's', value: { label: 'NAME' }, summary: 'Only records of this sandbox' },
      { name: 'last', short: 'l', value: { label: 'N' }, summary: 'How many of the newest records to show (default 20)' },
      { name: 'path', summary: 'Print the path of the log and nothing else' },
      { name: 'json', summary: 'Print one JSON object a line' },
    ],
    examples: [
      { command: 'agentkernel audit', note: 'The newest 20 records' },
      { command: 'agentkernel audit --last 100 --json', note: 'The newest 100 for a script' },
      { command: 'agentkernel audit verify', note: 'Check that nobody changed the log' },
    ],
  },
  family: 'plain',
  subcommands: { verify },
  async execute(args, context) {
    const last = lastOf(args.value('last') ?? '20')
    const sandbox = args.value('sandbox')
    const operations = await context.operations()
    if (args.has('path')) {
      const path = operations.auditPath()
      context.stdout.write(args.has('json') ? `${printableJson({ path })}\n` : `${printable(path)}\n`)
      return 0
    }
    const { records, warnings } = await operations.auditList({ last, ...(sandbox === undefined ? {} : { sandbox }) })
    for (const warning of warnings) context.stderr.write(`agentkernel: ${printable(warning)}\n`)
    if (args.has('json')) for (const record of records) context.stdout.write(`${printableJson(record)}\n`)
    else if (records.length > 0) context.stdout.write(auditTable(records))
    else
      context.stderr.write(
        sandbox === undefined ? 'The audit log is empty.\n' : `The audit log has no record of sandbox ${quoted(sandbox)}.\n`,
      )
    return 0
  },
}

function lastOf(text: string): number {
  const last = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (last >= 1) return last
  throw usageError(audit.spec, `--last ${quoted(text)} is not a number of records; write a whole number from 1, such as 50.`)
}
