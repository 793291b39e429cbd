import type { AgentStatus } from '../../contract/reports.ts'
import type { Command } from '../command.ts'
import { JSON_FLAG } from '../command.ts'
import { printable, printableJson } from '../printable.ts'
import { column, styleFor } from '../style.ts'
import type { Style } from '../style.ts'

export const agents: Command = {
  spec: {
    name: 'agents',
    summary: 'List coding agents and whether they are installed',
    usage: ['agents [flags]'],
    positionals: { kind: 'none' },
    flags: [JSON_FLAG],
    examples: [
      { command: 'agentkernel agents', note: 'See what is installed, and how to install the rest' },
      { command: 'agentkernel agents --json', note: 'The same for a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const operations = await context.operations()
    const found = await operations.agents({ cwd: context.cwd }, new AbortController().signal)
    if (args.has('json')) context.stdout.write(`${printableJson(found, 2)}\n`)
    else context.stdout.write(table(found, styleFor(context.stdout, context.env)))
    return 0
  },
}

function table(found: readonly AgentStatus[], style: Style): string {
  const lines = [row('AGENT', 'STATUS', 'API KEY'), '-'.repeat(45)]
  for (const agent of found) {
    lines.push(row(printable(agent.name), agent.installed ? 'installed' : 'not installed', agent.keySet ? 'set' : 'not set'))
    if (!agent.installed) lines.push(`  ${style.marks.arrow} ${printable(agent.installHint)}`)
  }
  return `${lines.join('\n')}\n`
}

function row(agent: string, status: string, key: string): string {
  return column(agent, 15) + column(status, 15) + key
}
