import { LLM_GROUPINGS, type LlmGrouping, type LlmUsageEntry, type LlmUsageRow } from '../../../contract/llm.ts'
import { parseDurationMs } from '../../../lib/duration.ts'
import type { Command } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import { usageError } from '../../parse-arguments.ts'
import { printable, printableJson, quoted } from '../../printable.ts'
import { table } from '../../table.ts'
import { checkedName } from '../sandbox/named.ts'
import { defined } from '../values.ts'
import { count, dollars } from './shown.ts'

const NUMBERS = [
  { title: 'REQUESTS', width: 10 },
  { title: 'INPUT', width: 12 },
  { title: 'CACHED', width: 12 },
  { title: 'OUTPUT', width: 12 },
  { title: 'COST', width: 10 },
]

export const usage: Command = {
  spec: {
    name: 'llm usage',
    summary: 'Show what was asked of language models',
    description:
      'Tokens are what the replies say; `~` marks sums in which some were guessed, because a reply did not say. Costs come from the ' +
      'price table; `+` marks sums that lack models without a price.',
    usage: ['llm usage [flags] [NAME]'],
    positionals: { kind: 'list', label: 'NAME', summary: 'Only this sandbox', max: 1, complete: 'sandbox' },
    flags: [
      { name: 'since', value: { label: 'DURATION' }, summary: 'Only calls of this last time: 12h, 7d (default: all)' },
      { name: 'by', value: { label: 'WHAT', choices: LLM_GROUPINGS }, summary: 'Sum up by model, sandbox or day' },
      JSON_FLAG,
    ],
    examples: [
      { command: 'agentkernel llm usage', note: 'Every sandbox, by model' },
      { command: 'agentkernel llm usage dev --since 7d --by day', note: 'One sandbox, day by day' },
      { command: 'agentkernel llm usage --json', note: 'For a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const [name] = args.positionals
    const since = args.value('since')
    const by = args.value('by')
    if (since !== undefined && parseDurationMs(since) === undefined) {
      throw usageError(usage.spec, `--since ${quoted(since)} is not a duration; write 45m, 12h or 7d.`)
    }
    if (by !== undefined && !isGrouping(by)) throw usageError(usage.spec, `--by ${quoted(by)}: choose ${LLM_GROUPINGS.join(', ')}.`)
    const sandbox = name === undefined ? undefined : checkedName(usage.spec, name)
    const filter = { ...defined('sandbox', sandbox), ...defined('since', since) }
    const operations = await context.operations()
    const found = by === undefined ? await operations.llmUsage(filter) : await operations.llmReport({ ...filter, by })
    if (args.has('json')) context.stdout.write(`${printableJson(found, 2)}\n`)
    else if (Object.keys(found).length === 0) context.stderr.write('No calls to language models were counted.\n')
    else context.stdout.write(isReport(found) ? report(by!, found) : bySandbox(found))
    return 0
  },
}

const isGrouping = (text: string): text is LlmGrouping => (LLM_GROUPINGS as readonly string[]).includes(text)
const isReport = (found: object): found is readonly LlmUsageRow[] => Array.isArray(found)

function bySandbox(found: Readonly<Record<string, readonly LlmUsageEntry[]>>): string {
  const rows = Object.entries(found).flatMap(([sandbox, entries]) =>
    entries.map((entry) => [printable(sandbox), printable(entry.provider), printable(entry.model || '-'), ...numbers(entry)]),
  )
  return table([{ title: 'SANDBOX', width: 16 }, { title: 'PROVIDER', width: 12 }, { title: 'MODEL', width: 20 }, ...NUMBERS], rows)
}

function report(by: string, rows: readonly LlmUsageRow[]): string {
  return table(
    [{ title: by.toUpperCase(), width: 20 }, ...NUMBERS],
    rows.map((row) => [printable(row.key || '-'), ...numbers(row)]),
  )
}

function numbers(sums: Omit<LlmUsageRow, 'key'>): string[] {
  const guessed = sums.estimated_count > 0 ? '~' : ''
  const cost = sums.cost_usd === undefined ? '-' : `${dollars(sums.cost_usd)}${sums.unpriced_count > 0 ? '+' : ''}`
  return [
    count(sums.request_count),
    guessed + count(sums.total_input_tokens),
    count(sums.total_cached_tokens),
    guessed + count(sums.total_output_tokens),
    cost,
  ]
}
