import { AppError } from '../../../contract/errors.ts'
import type { Command } from '../../command.ts'
import { keyOf, ONE_KEY, tellNotices } from './named.ts'

export const getSecret: Command = {
  spec: {
    name: 'secret get',
    summary: 'Print the value of a secret',
    description: 'Prints the value as it is, and a line break. The audit log notes that it was read.',
    usage: ['secret get [flags] KEY'],
    positionals: ONE_KEY,
    flags: [],
    examples: [
      { command: 'agentkernel secret get OPENAI_API_KEY', note: 'See a value' },
      { command: 'agentkernel secret get GITHUB_TOKEN | gh auth login --with-token', note: 'Hand it to another program' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const name = keyOf(getSecret.spec, args)
    const { value, notices } = await (await context.operations()).secretGet({ name })
    tellNotices(notices, context)
    if (value === undefined) throw noSecret(name)
    context.stdout.write(`${value.reveal()}\n`)
    return 0
  },
}

export function noSecret(name: string): AppError {
  return new AppError('not_found', `no secret "${name}"`, { fix: '`agentkernel secret list` shows which there are.' })
}
