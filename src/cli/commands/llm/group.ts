import { commandGroup } from '../group.ts'
import { budget } from './budget.ts'
import { keys } from './keys.ts'
import { usage } from './usage.ts'

export const llm = commandGroup({
  name: 'llm',
  summary: 'What language models cost: usage, keys, budgets',
  description:
    'The gateway counts what sandboxes ask of language models, and refuses more when a budget is used up. It looks into these ' +
    'requests where a key is bound, a budget is set, or `[llm] meter = true` asks for it.',
  subcommands: { usage, keys, budget },
  examples: [
    { command: 'agentkernel llm usage', note: 'Who used how much' },
    { command: 'agentkernel llm keys set anthropic < key.txt', note: 'A key for all sandboxes, which none of them sees' },
    { command: 'agentkernel llm budget set --max-usd 20 --period day', note: 'No more than this in a day' },
  ],
})
