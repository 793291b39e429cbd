import { AppError } from '../../contract/errors.ts'
import { nearest } from '../../lib/nearest.ts'
import type { Command, CommandSpec } from '../command.ts'
import { usageError } from '../parse-arguments.ts'
import { quoted } from '../printable.ts'

export interface GroupFacts extends Pick<CommandSpec, 'name' | 'summary' | 'description' | 'examples'> {
  readonly subcommands: Readonly<Record<string, Command>>
  readonly aliases?: Readonly<Record<string, string>>
  /** Subcommands of the earlier product that are refused by name. */
  readonly later?: readonly string[]
}

/** A command that only holds others. By itself, and with a word that is none of them, it is a wrong command line. */
export function commandGroup({ subcommands, aliases = {}, later = [], ...facts }: GroupFacts): Command {
  const spec: CommandSpec = {
    ...facts,
    usage: [`${facts.name} COMMAND [flags]`],
    positionals: { kind: 'command', summary: 'One of the commands below' },
    flags: [],
  }
  return {
    spec,
    family: 'plain',
    subcommands,
    aliases,
    execute: async (args) => {
      const [word] = args.positionals
      if (word === undefined)
        throw usageError(spec, `\`agentkernel ${spec.name}\` needs a command: ${Object.keys(subcommands).join(', ')}.`)
      if (later.includes(word)) {
        const fix = `It arrives with a later release; \`agentkernel ${spec.name} --help\` lists what is there now.`
        throw new AppError('not_available_yet', `\`agentkernel ${spec.name} ${word}\` is not available yet.`, { fix })
      }
      const guess = nearest(word, [...Object.keys(subcommands), ...Object.keys(aliases)])
      throw usageError(
        spec,
        `unknown command ${quoted(word)} for \`agentkernel ${spec.name}\`${guess === undefined ? '.' : `; did you mean ${guess}?`}`,
      )
    },
  }
}
