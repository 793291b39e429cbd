import { AppError } from '../contract/errors.ts'
import { nearest } from '../lib/nearest.ts'
import { COMMAND_ALIASES, COMMANDS, visibleCommands } from './command-index.ts'
import { LATER_COMMANDS } from './later-commands.ts'
import { commandLine, quoted } from './printable.ts'

/** The error for a first word that is no command: not there yet, a typo, or perhaps a program meant for `run`. */
export async function commandNotFound(word: string): Promise<AppError> {
  if (LATER_COMMANDS.includes(word)) {
    const fix = 'It arrives with a later release; `agentkernel --help` lists what is there now.'
    return new AppError('not_available_yet', `\`agentkernel ${word}\` is not available yet.`, { fix })
  }
  const seeHelp = 'See `agentkernel --help`.'
  if (word.startsWith('-')) {
    const guess = nearest(word.replace(/^-+/, ''), ['help', 'version'])
    return new AppError('usage', `unknown flag ${quoted(word)}${guess === undefined ? '.' : `; did you mean --${guess}?`}`, {
      fix: seeHelp,
    })
  }
  const sandbox = await COMMANDS['sandbox']!()
  if (Object.hasOwn(sandbox.subcommands ?? {}, word) || Object.hasOwn(sandbox.aliases ?? {}, word)) {
    return new AppError('usage', `unknown command ${quoted(word)}; did you mean \`agentkernel sandbox ${word}\`?`, { fix: seeHelp })
  }
  const guess = nearest(word, [...visibleCommands(), ...Object.keys(COMMAND_ALIASES)])
  if (guess !== undefined) return new AppError('usage', `unknown command ${quoted(word)}; did you mean ${guess}?`, { fix: seeHelp })
  const fix = word === '' ? seeHelp : `To run a program in a sandbox: \`agentkernel run ${commandLine([word])}\`. ${seeHelp}`
  return new AppError('usage', `unknown command ${quoted(word)}.`, { fix })
}
