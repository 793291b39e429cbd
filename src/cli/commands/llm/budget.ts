import type { LlmBudget, LlmBudgetState } from '../../../contract/llm.ts'
import { formatByteSize, parseByteSize } from '../../../lib/byte-size.ts'
import type { Command, CommandSpec } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import type { CliContext } from '../../context.ts'
import { usageError } from '../../parse-arguments.ts'
import type { ParsedArguments } from '../../parse-arguments.ts'
import { printable, printableJson, quoted } from '../../printable.ts'
import { table } from '../../table.ts'
import { checkedName } from '../sandbox/named.ts'
import { defined } from '../values.ts'
import { count, dollars } from './shown.ts'

const PERIODS = ['total', 'day', 'month'] as const
const LIMIT_FLAGS = ['max-tokens', 'max-usd', 'max-requests', 'max-bytes-out', 'period', 'warn-at'] as const

const SPEC: CommandSpec = {
  name: 'llm budget',
  summary: 'Limit what may be spent on language models',
  description:
    'Without a NAME the budget is for all sandboxes together. When a limit is reached, the next request is refused, with a sentence that the ' +
    'model can read. Budgets here hold besides those of the config. Days and months are of UTC. `set` replaces the whole budget; it holds ' +
    'within a second, also for sandboxes that run.',
  usage: ['llm budget [show] [--json]', 'llm budget set LIMITS... [--json] [NAME]', 'llm budget clear [--json] [NAME]'],
  positionals: { kind: 'list', label: 'ACTION [NAME]', summary: 'show, set or clear, and of which sandbox', max: 2, complete: 'sandbox' },
  flags: [
    { name: 'max-tokens', value: { label: 'COUNT' }, summary: 'Most tokens, input and output together' },
    { name: 'max-usd', value: { label: 'DOLLARS' }, summary: 'Most dollars, by the price table' },
    { name: 'max-requests', value: { label: 'COUNT' }, summary: 'Most requests' },
    { name: 'max-bytes-out', value: { label: 'SIZE' }, summary: 'Most bytes in bodies of requests: 512k, 20m' },
    { name: 'period', value: { label: 'PERIOD', choices: PERIODS }, summary: 'What the limits are for: total, day, month (default total)' },
    { name: 'warn-at', value: { label: 'PERCENT' }, summary: 'Warn from this share of a limit on (default 80)' },
    JSON_FLAG,
  ],
  examples: [
    { command: 'agentkernel llm budget set dev --max-tokens 2000000', note: 'One sandbox' },
    { command: 'agentkernel llm budget set --max-usd 20 --period day', note: 'All together, each day' },
    { command: 'agentkernel llm budget', note: 'What there is, and how much of it is gone' },
  ],
}

export const budget: Command = {
  spec: SPEC,
  family: 'plain',
  async execute(args, context) {
    const [action = 'show', name] = args.positionals
    const sandbox = defined('sandbox', name === undefined ? undefined : checkedName(SPEC, name))
    if (action === 'set') await set(sandbox, args, context)
    else if (LIMIT_FLAGS.some((flag) => args.has(flag))) throw usageError(SPEC, 'limits are for `agentkernel llm budget set`.')
    else if (action === 'clear') await clear(sandbox, args, context)
    else if (action === 'show' && name === undefined) await show(args, context)
    else if (action === 'show') throw usageError(SPEC, '`show` takes no name: it shows every budget.')
    else throw usageError(SPEC, `cannot ${quoted(action)}; choose show, set or clear.`)
    return 0
  },
}

async function show(args: ParsedArguments, context: CliContext): Promise<void> {
  const states = await (await context.operations()).llmBudgets()
  if (args.has('json')) context.stdout.write(`${printableJson(states, 2)}\n`)
  else if (states.length === 0) context.stderr.write('No budgets are set here; those of the config are in the config.\n')
  else context.stdout.write(tableOf(states))
}

async function set(sandbox: { readonly sandbox?: string }, args: ParsedArguments, context: CliContext): Promise<void> {
  const wanted: LlmBudget = {
    ...defined('max_tokens', whole(args, 'max-tokens')),
    ...defined('max_usd', decimal(args, 'max-usd', 'dollars, as in 2.50')),
    ...defined('max_requests', whole(args, 'max-requests')),
    ...defined('max_bytes_out', size(args)),
    ...defined('period', period(args.value('period'))),
    ...defined('warn_at', percent(args)),
  }
  if (!Object.keys(wanted).some((key) => key.startsWith('max_'))) throw usageError(SPEC, 'give a limit, as in --max-tokens 100000.')
  const state = await (await context.operations()).llmBudgetSet({ ...sandbox, budget: wanted })
  context.stdout.write(args.has('json') ? `${printableJson(state, 2)}\n` : tableOf([state]))
}

async function clear(sandbox: { readonly sandbox?: string }, args: ParsedArguments, context: CliContext): Promise<void> {
  await (await context.operations()).llmBudgetClear(sandbox)
  const text = `The budget of ${sandbox.sandbox ?? 'all sandboxes'} is gone\n`
  context.stdout.write(args.has('json') ? `${printableJson({ ...sandbox, cleared: true })}\n` : text)
}

function tableOf(states: readonly LlmBudgetState[]): string {
  const rows = states.flatMap(({ sandbox, budget: limits, spent }) => {
    const line = (limit: number | undefined, used: number, shown: (value: number) => string, unit: string): string[][] =>
      limit === undefined
        ? []
        : [
            [
              sandbox === undefined ? '(all)' : printable(sandbox),
              unit,
              shown(limit),
              limits.period ?? 'total',
              shown(used),
              share(used, limit),
            ],
          ]
    return [
      ...line(limits.max_tokens, spent.tokens, count, 'tokens'),
      ...line(limits.max_usd, spent.usd, dollars, 'dollars'),
      ...line(limits.max_requests, spent.requests, count, 'requests'),
      ...line(limits.max_bytes_out, spent.bytes_out, formatByteSize, 'bytes out'),
    ]
  })
  const widths = { SANDBOX: 16, LIMIT: 12, OF: 14, PERIOD: 9, USED: 14, SHARE: 8 }
  return table(
    Object.entries(widths).map(([title, width]) => ({ title, width })),
    rows,
  )
}

const share = (used: number, limit: number): string => (limit === 0 ? '100%' : `${Math.floor((used / limit) * 100)}%`)

function whole(args: ParsedArguments, flag: string): number | undefined {
  const text = args.value(flag)
  if (text === undefined) return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw usageError(SPEC, `--${flag} ${quoted(text)} is no whole number.`)
}

function decimal(args: ParsedArguments, flag: string, form: string): number | undefined {
  const text = args.value(flag)
  if (text === undefined) return undefined
  if (/^\d{1,9}(?:\.\d{1,6})?$/.test(text)) return Number(text)
  throw usageError(SPEC, `--${flag} ${quoted(text)} cannot be read; write ${form}.`)
}

function size(args: ParsedArguments): number | undefined {
  const text = args.value('max-bytes-out')
  if (text === undefined) return undefined
  const bytes = parseByteSize(text)
  if (bytes === undefined) throw usageError(SPEC, `--max-bytes-out ${quoted(text)} is no size; write 512k or 20m.`)
  return bytes
}

function period(text: string | undefined): LlmBudget['period'] {
  const found = PERIODS.find((each) => each === text)
  if (text !== undefined && found === undefined) throw usageError(SPEC, `--period ${quoted(text)}: choose ${PERIODS.join(', ')}.`)
  return found
}

function percent(args: ParsedArguments): number | undefined {
  const value = decimal(args, 'warn-at', 'a percentage from 0 to 100')
  if (value !== undefined && value > 100) throw usageError(SPEC, '--warn-at is a percentage from 0 to 100.')
  return value === undefined ? undefined : value / 100
}
