import type { Command } from './command.ts'
import { run } from './commands/run.ts'

/**
 * Every command, loaded when it is used: `run` must not pay for the others. The order is that of the help page.
 * `__complete` is called by completion scripts and not shown.
 */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => run,
  init: async () => (await import('./commands/init.ts')).init,
  trust: async () => (await import('./commands/trust.ts')).trust,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
  agents: async () => (await import('./commands/agents.ts')).agents,
  audit: async () => (await import('./commands/audit.ts')).audit,
  completions: async () => (await import('./commands/completions.ts')).completions,
  help: async () => (await import('./commands/help.ts')).help,
  __complete: async () => (await import('./commands/complete.ts')).complete,
}

/** Names a person may type. */
export function visibleCommands(): readonly string[] {
  return Object.keys(COMMANDS).filter((name) => !name.startsWith('_'))
}

export interface FoundCommand {
  readonly command: Command
  /** What follows the command's own words. */
  readonly rest: readonly string[]
}

/** The command, or subcommand, that the first words of `argv` select; undefined when there is none of that name. */
export async function findCommand(argv: readonly string[]): Promise<FoundCommand | undefined> {
  const [first, second] = argv
  if (first === undefined || !Object.hasOwn(COMMANDS, first)) return undefined
  const command = await COMMANDS[first]!()
  if (second === undefined || command.subcommands === undefined || !Object.hasOwn(command.subcommands, second)) {
    return { command, rest: argv.slice(1) }
  }
  return { command: command.subcommands[second]!, rest: argv.slice(2) }
}
