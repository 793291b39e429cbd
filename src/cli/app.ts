import type { AppError, ExitFamily } from '../contract/errors.ts'
import { asksForJson, parseArguments } from './parse-arguments.ts'
import type { Command } from './command.ts'
import { findCommand } from './command-index.ts'
import type { CliContext } from './context.ts'
import { guardedStream } from './guarded-stream.ts'

/**
 * Runs one command line (without the program's name) and resolves with the exit status: 0, 1 for an error, 2 for a
 * wrong command line, 70 for a bug; `run` has the command's own, and 125 for ours. Never rejects.
 */
export async function runCli(argv: readonly string[], outer: CliContext): Promise<number> {
  const context: CliContext = {
    ...outer,
    sandboxes: async () => (await import('./named-errors.ts')).withNamedErrors(await outer.sandboxes()),
    stdout: guardedStream(outer.stdout, 'stdout'),
    stderr: guardedStream(outer.stderr, 'stderr'),
  }
  try {
    const found = await findCommand(argv)
    if (found === undefined) return await withoutCommand(argv, context)
    return await runCommand(found.command, found.rest, context)
  } catch (error) {
    return fail(error, { family: 'plain', json: false }, context)
  }
}

async function runCommand(command: Command, argv: readonly string[], context: CliContext): Promise<number> {
  try {
    const args = parseArguments(command.spec, argv)
    if (!args.has('help')) return await command.execute(args, context)
    const { commandHelp } = await import('./help-text.ts')
    context.stdout.write(commandHelp(command, context))
    return 0
  } catch (error) {
    return fail(error, { family: command.family, json: asksForJson(command.spec, argv) }, context)
  }
}

async function fail(
  error: unknown,
  options: { readonly family: ExitFamily; readonly json: boolean },
  context: CliContext,
): Promise<number> {
  const { renderError } = await import('./render-error.ts')
  try {
    return renderError(error, options, context)
  } catch (second) {
    // stdout cannot take the JSON; stderr still can.
    return renderError(second, { ...options, json: false }, context)
  }
}

/** What a command line means that does not begin with a command: help, the version, or a mistake. */
async function withoutCommand(argv: readonly string[], context: CliContext): Promise<number> {
  const [first] = argv
  if (first === undefined || first === '--help' || first === '-h') {
    const { rootHelp } = await import('./help-text.ts')
    context.stdout.write(await rootHelp(context))
    return 0
  }
  if (first === '--version' || first === '-V') {
    context.stdout.write(`agentkernel ${context.version}\n`)
    return 0
  }
  throw await unknownCommand(first)
}

async function unknownCommand(word: string): Promise<AppError> {
  const { commandNotFound } = await import('./unknown-command.ts')
  return commandNotFound(word)
}
