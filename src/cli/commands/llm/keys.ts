import { LARGEST_SECRET_BYTES, secretNameProblem } from '../../../contract/secrets.ts'
import { Secret } from '../../../lib/secret.ts'
import type { Command } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import type { CliContext } from '../../context.ts'
import { usageError } from '../../parse-arguments.ts'
import type { ParsedArguments } from '../../parse-arguments.ts'
import { printable, printableJson, quoted } from '../../printable.ts'
import { table } from '../../table.ts'
import { defined } from '../values.ts'

const ACTIONS = ['list', 'set', 'remove'] as const

export const keys: Command = {
  spec: {
    name: 'llm keys',
    summary: 'Say which keys go to providers of language models',
    description:
      'The gateway puts the key into requests of every sandbox that binds none of its own for that host, and no sandbox sees it. `set` ' +
      'asks for the value, or reads it from stdin, and stores it in the vault; with --existing the vault has it already. A provider is ' +
      '`openai`, `anthropic`, `google`, `deepseek`, `groq`, `mistral`, `cohere`, `together`, `fireworks`, `openrouter`, or a host.',
    usage: ['llm keys list [--json]', 'llm keys set [flags] PROVIDER', 'llm keys remove [--json] PROVIDER'],
    positionals: { kind: 'list', label: 'ACTION [PROVIDER]', summary: 'list, set or remove, and whose key', max: 2 },
    flags: [
      { name: 'key', value: { label: 'NAME', complete: 'secret' }, summary: 'Name of the key in the vault (default PROVIDER_API_KEY)' },
      { name: 'existing', summary: 'Ask for no value: the vault has the key already' },
      JSON_FLAG,
    ],
    examples: [
      { command: 'agentkernel llm keys set openai', note: 'You are asked for the key' },
      {
        command: 'agentkernel llm keys set llm.example.com --key TEAM_KEY --existing',
        note: 'A key that is in the vault, for a host of your own',
      },
      { command: 'agentkernel llm keys list', note: 'Which keys go where' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const [action, provider] = args.positionals
    if (action === 'list' && provider === undefined) await list(args, context)
    else if (action === 'set' && provider !== undefined) await set(provider, args, context)
    else if (action === 'remove' && provider !== undefined) await remove(provider, args, context)
    else if (action === 'set' || action === 'remove')
      throw usageError(keys.spec, `name a provider, as in \`agentkernel llm keys ${action} openai\`.`)
    else if (action === 'list') throw usageError(keys.spec, `\`list\` takes no provider, but ${quoted(provider!)} was given.`)
    else throw usageError(keys.spec, `${action === undefined ? 'say what to do' : `cannot ${quoted(action)}`}: ${ACTIONS.join(', ')}.`)
    return 0
  },
}

async function list(args: ParsedArguments, context: CliContext): Promise<void> {
  const found = await (await context.operations()).llmKeys()
  const rows = Object.entries(found).map(([domain, key]) => [printable(domain), printable(key)])
  const columns = [
    { title: 'DOMAIN', width: 36 },
    { title: 'KEY', width: 24 },
  ]
  if (args.has('json')) context.stdout.write(`${printableJson(found, 2)}\n`)
  else if (rows.length > 0) context.stdout.write(table(columns, rows))
  else context.stderr.write('No keys for language models are set.\n')
}

async function set(provider: string, args: ParsedArguments, context: CliContext): Promise<void> {
  const name = args.value('key')
  const problem = name === undefined ? undefined : secretNameProblem(name)
  if (problem !== undefined) throw usageError(keys.spec, `the name of the key ${problem}.`)
  const value = args.has('existing') ? undefined : await valueFor(provider, context)
  const stored = await (await context.operations()).llmKeySet({ provider, ...defined('vault_key_name', name), ...defined('value', value) })
  const text = `${printable(stored.domain)} gets the key ${printable(stored.vault_key_name)}\n`
  context.stdout.write(args.has('json') ? `${printableJson(stored)}\n` : text)
}

async function valueFor(provider: string, context: CliContext): Promise<Secret> {
  const { readHiddenLine, readWhole } = await import('../secret/read-value.ts')
  const typed = async (): Promise<string> => {
    try {
      return await readHiddenLine(() => context.stderr.write(`Key for ${printable(provider)} (not shown): `))
    } finally {
      context.stderr.write('\n')
    }
  }
  const text = context.stdin.isTTY ? await typed() : await readWhole('the key', LARGEST_SECRET_BYTES)
  if (text !== '') return new Secret(text)
  throw usageError(keys.spec, 'no key was given on stdin; with --existing the one in the vault is used.')
}

async function remove(provider: string, args: ParsedArguments, context: CliContext): Promise<void> {
  const reply = await (await context.operations()).llmKeyRemove({ provider })
  const text = `${printable(reply.removed)} gets no key any more; the vault keeps it\n`
  context.stdout.write(args.has('json') ? `${printableJson(reply)}\n` : text)
}
