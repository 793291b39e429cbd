import type { ExplainReport } from '../../../contract/network-reports.ts'
import type { Command } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import { usageError } from '../../parse-arguments.ts'
import { printable, printableJson } from '../../printable.ts'
import { facts } from '../../table.ts'
import { defined, withoutNul } from '../values.ts'
import { RULES_FLAGS, rulesInput } from './rules-input.ts'

export const explain: Command = {
  spec: {
    name: 'network explain',
    summary: 'Say whether a sandbox made here may reach a host, and why',
    description: 'Without a port it is asked about 443. Names are not looked up.',
    usage: ['network explain [flags] HOST[:PORT]', 'network explain [flags] udp:HOST:PORT', 'network explain [flags] URL'],
    positionals: { kind: 'list', label: 'HOST', summary: 'A name or address with a port at will, or an address of the web', max: 1 },
    flags: [
      ...RULES_FLAGS,
      { name: 'method', value: { label: 'METHOD' }, summary: 'Method of the request, for a URL (default GET)' },
      JSON_FLAG,
    ],
    examples: [
      { command: 'agentkernel network explain example.com', note: 'By the rules of this folder' },
      {
        command: "agentkernel network explain https://example.com/x --allow 'GET https://example.com/*'",
        note: 'By rules of your own',
      },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const { spec } = explain
    const [target] = args.positionals
    if (target === undefined) throw usageError(spec, 'name a host, as in `agentkernel network explain example.com:443`.')
    withoutNul(spec, 'HOST', target)
    const method = withoutNul(spec, '--method', args.value('method'))
    const report = await (
      await context.operations()
    ).networkExplain({ ...rulesInput(spec, args, context), target, ...defined('method', method) })
    context.stdout.write(args.has('json') ? `${printableJson(report, 2)}\n` : page(report))
    return 0
  },
}

function page({ target, allowed, rule, reason, hint, rules, source, notes }: ExplainReport): string {
  const list = (texts: readonly string[]): string => (texts.length === 0 ? 'nothing' : texts.map(printable).join(', '))
  const rows = facts([
    ['Rule', rule === undefined ? undefined : printable(rule)],
    ['Reason', reason === undefined ? undefined : printable(reason)],
    ['To allow it', hint === undefined ? undefined : printable(hint)],
    ['Allowed here', `${list(rules.allow)} (${printable(source)})`],
    ['Blocked here', rules.block.length === 0 ? undefined : list(rules.block)],
  ])
  return `${printable(target)}: ${allowed ? 'allowed' : 'denied'}\n${rows}${notes.map((note) => `Note: ${printable(note)}.\n`).join('')}`
}
