import type { Command } from '../command.ts'
import { findCommand } from '../command-index.ts'
import { usageError } from '../parse-arguments.ts'
import { quoted } from '../printable.ts'

export const help: Command = {
  spec: {
    name: 'help',
    summary: 'Show help for a command',
    usage: ['help [COMMAND]'],
    positionals: { kind: 'list', label: 'COMMAND', summary: 'The command to explain', max: 2, complete: 'help-topic' },
    flags: [],
    examples: [
      { command: 'agentkernel help run', note: 'Everything about `run`' },
      { command: 'agentkernel help audit verify', note: 'A command below another' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const { rootHelp, commandHelp } = await import('../help-text.ts')
    const [first] = args.positionals
    if (first === undefined) {
      context.stdout.write(await rootHelp(context))
      return 0
    }
    const found = await findCommand(args.positionals)
    if (found === undefined) {
      const { commandNotFound } = await import('../unknown-command.ts')
      throw await commandNotFound(first)
    }
    const [extra] = found.rest
    if (extra !== undefined)
      throw usageError(help.spec, `\`agentkernel ${found.command.spec.name}\` has no command ${quoted(extra)} below it.`)
    context.stdout.write(commandHelp(found.command, context))
    return 0
  },
}
