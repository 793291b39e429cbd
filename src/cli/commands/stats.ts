import type { Command } from '../command.ts'
import { JSON_FLAG } from '../command.ts'
import type { CliContext } from '../context.ts'
import { printable, printableJson } from '../printable.ts'
import { checkedName } from './sandbox/named.ts'

export const stats: Command = {
  spec: {
    name: 'stats',
    summary: 'Show what was done with agentkernel, or what a sandbox uses now',
    description:
      'Without a name it counts what the audit log holds: commands, how they ended, how long they took, sandboxes, refusals. ' +
      'With a name it shows once what that sandbox uses: memory, processor time, processes.',
    usage: ['stats [flags] [NAME]'],
    positionals: { kind: 'list', label: 'NAME', summary: 'A sandbox, for what it uses now', max: 1, complete: 'sandbox' },
    flags: [JSON_FLAG],
    examples: [
      { command: 'agentkernel stats', note: 'What was done so far' },
      { command: 'agentkernel stats dev', note: 'What a sandbox uses' },
      { command: 'agentkernel stats --json', note: 'For a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const [name] = args.positionals
    if (name === undefined) await usage(args.has('json'), context)
    else await live(checkedName(stats.spec, name), args.has('json'), context)
    return 0
  },
}

async function usage(json: boolean, context: CliContext): Promise<void> {
  const { records, warnings } = await (await context.operations()).auditList({})
  for (const warning of warnings) context.stderr.write(`agentkernel: ${printable(warning)}\n`)
  const { countUsage, usagePage } = await import('../usage-stats.ts')
  const counted = countUsage(records)
  context.stdout.write(json ? `${printableJson(counted, 2)}\n` : usagePage(counted))
}

async function live(name: string, json: boolean, context: CliContext): Promise<void> {
  const found = await (await context.sandboxes()).stats(name)
  const { statsPage } = await import('../usage-stats.ts')
  context.stdout.write(json ? `${printableJson(found, 2)}\n` : statsPage(found))
}
