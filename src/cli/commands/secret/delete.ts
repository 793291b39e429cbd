import type { Command } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import { printableJson } from '../../printable.ts'
import { noSecret } from './get.ts'
import { keyOf, ONE_KEY, tellNotices } from './named.ts'

export const deleteSecret: Command = {
  spec: {
    name: 'secret delete',
    summary: 'Delete a secret',
    description: 'Sandboxes that run can no longer use it, from their next request on.',
    usage: ['secret delete [flags] KEY'],
    positionals: ONE_KEY,
    flags: [JSON_FLAG],
    examples: [
      { command: 'agentkernel secret delete OPENAI_API_KEY', note: 'Forget a key' },
      { command: 'agentkernel secret delete OPENAI_API_KEY --json', note: 'The same for a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const name = keyOf(deleteSecret.spec, args)
    const { deleted, notices } = await (await context.operations()).secretDelete({ name })
    tellNotices(notices, context)
    if (!deleted) throw noSecret(name)
    context.stdout.write(args.has('json') ? `${printableJson({ name, deleted })}\n` : `Secret ${name} deleted\n`)
    return 0
  },
}
