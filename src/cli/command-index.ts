import type { Command } from './command.ts'
import { run } from './commands/run.ts'

/**
 * Every command, loaded when it is used: `run` must not pay for the others. The order is that of the help page.
 * `__complete` is called by completion scripts and not shown.
 */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => run,
  exec: async () => (await import('./commands/exec.ts')).exec,
  attach: async () => (await import('./commands/attach.ts')).attach,
  sandbox: async () => (await import('./commands/sandbox/group.ts')).sandbox,
  llm: async () => (await import('./commands/llm/group.ts')).llm,
  network: async () => (await import('./commands/network/group.ts')).network,
  init: async () => (await import('./commands/init.ts')).init,
  secret: async () => (await import('./commands/secret/group.ts')).secret,
  trust: async () => (await import('./commands/trust.ts')).trust,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
  agents: async () => (await import('./commands/agents.ts')).agents,
  audit: async () => (await import('./commands/audit.ts')).audit,
  stats: async () => (await import('./commands/stats.ts')).stats,
  replay: async () => (await import('./commands/replay.ts')).replay,
  daemon: async () => (await import('./commands/daemon.ts')).daemon,
  serve: async () => (await import('./commands/serve.ts')).serve,
  completions: async () => (await import('./commands/completions.ts')).completions,
  help: async () => (await import('./commands/help.ts')).help,
  __complete: async () => (await import('./commands/complete.ts')).complete,
}

/** Short words for commands. */
export const COMMAND_ALIASES: Readonly<Record<string, string>> = { sb: 'sandbox' }

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
  if (first === undefined) return undefined
  const name = aliased(first, COMMAND_ALIASES)
  if (!Object.hasOwn(COMMANDS, name)) return undefined
  const command = await COMMANDS[name]!()
  if (second === undefined || command.subcommands === undefined) return { command, rest: argv.slice(1) }
  const below = aliased(second, command.aliases ?? {})
  if (!Object.hasOwn(command.subcommands, below)) return { command, rest: argv.slice(1) }
  return { command: command.subcommands[below]!, rest: argv.slice(2) }
}

function aliased(word: string, aliases: Readonly<Record<string, string>>): string {
  return Object.hasOwn(aliases, word) ? aliases[word]! : word
}
