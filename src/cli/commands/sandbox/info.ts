import type { Command } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import { printable, printableJson } from '../../printable.ts'
import { styleFor } from '../../style.ts'
import { facts } from '../../table.ts'
import { auditTable } from '../audit-table.ts'
import { nameOf, ONE_NAME } from './named.ts'
import { factsOf, writeWarnings } from './show.ts'

/** How many of the newest records are shown. */
const RECORDS = 5

export const info: Command = {
  spec: {
    name: 'sandbox info',
    summary: 'Show everything about a sandbox',
    description: 'The last of it are its five newest records in the audit log.',
    usage: ['sandbox info [flags] NAME'],
    positionals: ONE_NAME,
    flags: [JSON_FLAG],
    examples: [
      { command: 'agentkernel sandbox info dev', note: 'For a person' },
      { command: 'agentkernel sandbox info dev --json', note: 'For a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const name = nameOf(info.spec, args)
    const sandboxes = await context.sandboxes()
    const found = await sandboxes.get(name)
    const { records, warnings } = await sandboxes.logs(name)
    const newest = records.slice(-RECORDS)
    writeWarnings(found, context)
    for (const warning of warnings) context.stderr.write(`agentkernel: ${printable(warning)}\n`)
    if (args.has('json')) {
      context.stdout.write(`${printableJson({ ...found, recent_records: newest }, 2)}\n`)
      return 0
    }
    const style = styleFor(context.stdout, context.env)
    context.stdout.write(facts(factsOf(found, style, new Date())))
    if (newest.length > 0) context.stdout.write(`\n${auditTable(newest)}`)
    return 0
  },
}
