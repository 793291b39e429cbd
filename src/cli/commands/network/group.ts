import type { Command } from '../../command.ts'
import { commandGroup } from '../group.ts'
import { explain } from './explain.ts'
import { learn } from './learn.ts'
import { simulate } from './simulate.ts'

export const network: Command = commandGroup({
  name: 'network',
  summary: 'Ask what network rules allow, and find the rules that are needed',
  description:
    'Rules say what a sandbox may reach; `--allow` and `--block` of `run` and `sandbox create` take them, and so does a config file. ' +
    'These commands start no sandbox and touch no network.',
  subcommands: { explain, simulate, learn },
  examples: [
    { command: 'agentkernel network explain example.com:22', note: 'May a sandbox made here reach this?' },
    { command: 'agentkernel network simulate net.jsonl --allow preset:node', note: 'What would these rules have refused?' },
  ],
})
