import type { Command } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import { usageError } from '../../parse-arguments.ts'
import { printable, printableJson } from '../../printable.ts'
import { hostPath } from '../values.ts'

export const learn: Command = {
  spec: {
    name: 'network learn',
    summary: 'Say which rules would have been enough for a recorded log',
    description: 'Each rule comes with its evidence. Four names or more below one domain, with the same ports, become a wildcard.',
    usage: ['network learn [flags] LOG'],
    positionals: { kind: 'list', label: 'LOG', summary: 'File of `run --network-log`', max: 1, complete: 'files' },
    flags: [{ name: 'toml', summary: 'Print a piece of a config file instead of arguments' }, JSON_FLAG],
    examples: [
      { command: 'agentkernel network learn net.jsonl', note: 'As arguments of `run`' },
      { command: 'agentkernel network learn net.jsonl --toml >> agentkernel.toml', note: 'For the config file' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const { spec } = learn
    const log = hostPath(spec, 'LOG', args.positionals[0], context.cwd)
    if (log === undefined) throw usageError(spec, 'name the log, as in `agentkernel network learn net.jsonl`.')
    if (args.has('toml') && args.has('json')) throw usageError(spec, '--toml and --json are two ways to print; give one of them.')
    const { report, text, toml } = await (await context.operations()).networkLearn({ log })
    context.stdout.write(args.has('json') ? `${printableJson(report, 2)}\n` : lines(args.has('toml') ? toml : text))
    return 0
  },
}

/** Each line is safe to print, and stays where it is: this goes into files. */
const lines = (text: string): string => text.split('\n').map(printable).join('\n')
