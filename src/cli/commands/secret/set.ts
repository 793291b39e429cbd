import { LARGEST_SECRET_BYTES } from '../../../contract/secrets.ts'
import { Secret } from '../../../lib/secret.ts'
import type { Command } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import type { CliContext } from '../../context.ts'
import { usageError } from '../../parse-arguments.ts'
import { printableJson } from '../../printable.ts'
import { keyOf, tellNotices } from './named.ts'

export const setSecret: Command = {
  spec: {
    name: 'secret set',
    summary: 'Store a secret, or give it a new value',
    description:
      'Without VALUE you are asked for it, and what you type is not shown; where there is no terminal it is read from stdin, without its last ' +
      'line break. Sandboxes that run use the new value from their next request on.',
    usage: ['secret set [flags] KEY [VALUE]'],
    positionals: { kind: 'list', label: 'KEY [VALUE]', summary: 'Name of the secret, and its value', max: 2, complete: 'secret' },
    flags: [JSON_FLAG],
    examples: [
      { command: 'agentkernel secret set OPENAI_API_KEY', note: 'You are asked for the value' },
      { command: 'agentkernel secret set GITHUB_TOKEN < token.txt', note: 'The value is in a file' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const name = keyOf(setSecret.spec, args)
    const given = args.positionals[1]
    const value = new Secret(given ?? (await askFor(name, context)))
    if (value.reveal() === '') throw usageError(setSecret.spec, 'the value is empty.')
    if (Buffer.byteLength(value.reveal()) > LARGEST_SECRET_BYTES) {
      throw usageError(setSecret.spec, `the value has more than ${LARGEST_SECRET_BYTES} bytes.`)
    }
    const { notices } = await (await context.operations()).secretSet({ name, value, seen: given !== undefined })
    tellNotices(notices, context)
    context.stdout.write(args.has('json') ? `${printableJson({ name, stored: true })}\n` : `Secret ${name} stored\n`)
    return 0
  },
}

async function askFor(name: string, context: CliContext): Promise<string> {
  const { readHiddenLine, readWhole } = await import('./read-value.ts')
  if (!context.stdin.isTTY) return readWhole(name, LARGEST_SECRET_BYTES)
  try {
    return await readHiddenLine(() => context.stderr.write(`Value of ${name} (not shown): `))
  } finally {
    context.stderr.write('\n')
  }
}
