import type { Command } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import { printable, printableJson } from '../../printable.ts'
import { table } from '../../table.ts'
import { tellNotices } from './named.ts'

const COLUMNS = [
  { title: 'KEY', width: 24 },
  { title: 'BACKEND', width: 10 },
  { title: 'SET AT', width: 24 },
]

export const listSecrets: Command = {
  spec: {
    name: 'secret list',
    summary: 'List the secrets of the vault, without values',
    usage: ['secret list [flags]'],
    positionals: { kind: 'none' },
    flags: [JSON_FLAG],
    examples: [
      { command: 'agentkernel secret list', note: 'Names and when each was set' },
      { command: 'agentkernel secret list --json', note: 'The same for a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const { entries, notices } = await (await context.operations()).secretList()
    tellNotices(notices, context)
    const rows = entries.map(({ name, backend, updated_at, created_at }) => [
      printable(name),
      backend,
      printable((updated_at ?? created_at ?? '-').replace(/\.\d+Z$/, 'Z')),
    ])
    if (args.has('json')) context.stdout.write(`${printableJson(entries, 2)}\n`)
    else if (rows.length > 0) context.stdout.write(table(COLUMNS, rows))
    else context.stderr.write('The vault is empty.\n')
    return 0
  },
}
