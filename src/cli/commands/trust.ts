import { AppError } from '../../contract/errors.ts'
import type { TrustEntry } from '../../contract/reports.ts'
import type { Command } from '../command.ts'
import { JSON_FLAG } from '../command.ts'
import type { CliContext } from '../context.ts'
import { usageError } from '../parse-arguments.ts'
import { printable, printableJson, quoted } from '../printable.ts'
import { column } from '../style.ts'
import { projectFile } from './project-file.ts'

export const trust: Command = {
  spec: {
    name: 'trust',
    summary: "Let a project's agentkernel.toml widen permissions",
    description:
      "A project's own file can only narrow what commands may do. After `trust`, every key of the file counts, until " +
      'the file changes. Read it first: whoever wrote it decides what the sandbox may reach.',
    usage: ['trust [flags] [FILE]', 'trust --list [--json]', 'trust --remove [FILE]'],
    positionals: {
      kind: 'list',
      label: 'FILE',
      summary: "The file (default: this project's agentkernel.toml)",
      max: 1,
      complete: 'files',
    },
    flags: [{ name: 'list', summary: 'List trusted files' }, { name: 'remove', summary: 'Stop trusting the file' }, JSON_FLAG],
    examples: [
      { command: 'agentkernel trust', note: "Trust this project's file as it is now" },
      { command: 'agentkernel trust --list', note: 'See what is trusted' },
      { command: 'agentkernel trust --remove', note: 'Take the trust back' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const json = args.has('json')
    if (!args.has('list')) {
      const path = projectFile(args.positionals[0], context.cwd)
      await (args.has('remove') ? remove(path, json, context) : add(path, json, context))
      return 0
    }
    if (args.has('remove')) throw usageError(trust.spec, '--list and --remove cannot be used together.')
    if (args.positionals.length > 0) throw usageError(trust.spec, `--list takes no file, but ${quoted(args.positionals[0]!)} was given.`)
    const entries = await (await context.operations()).trustList()
    if (json) context.stdout.write(`${printableJson(entries, 2)}\n`)
    else if (entries.length > 0) context.stdout.write(table(entries))
    else context.stderr.write('No file is trusted.\n')
    return 0
  },
}

async function add(path: string, json: boolean, context: CliContext): Promise<void> {
  const entry = await (await context.operations()).trustAdd({ path })
  if (json) {
    context.stdout.write(`${printableJson(entry, 2)}\n`)
    return
  }
  const widens =
    entry.widens.length === 0 ? 'It widens nothing.' : `It now widens:\n${entry.widens.map((key) => `  ${printable(key)}`).join('\n')}`
  context.stdout.write(`Trusted ${printable(entry.path)} (sha256 ${printable(entry.sha256)})\n${widens}\n`)
}

/** A path that was not trusted is an error: a slip in it must not look like trust taken back. */
async function remove(path: string, json: boolean, context: CliContext): Promise<void> {
  const removed = await (await context.operations()).trustRemove({ path })
  if (!removed) {
    throw new AppError('not_found', `${quoted(path)} was not trusted.`, { fix: '`agentkernel trust --list` shows which files are.' })
  }
  context.stdout.write(json ? `${printableJson({ path, removed })}\n` : `No longer trusted: ${printable(path)}\n`)
}

function table(entries: readonly TrustEntry[]): string {
  const row = (state: string, at: string, path: string): string => `${column(state, 10)}${column(at, 26)}${path}\n`
  const rows = entries.map((entry) => row(entry.current ? 'current' : 'changed', printable(entry.trustedAt), printable(entry.path)))
  return row('STATE', 'TRUSTED AT', 'FILE') + rows.join('')
}
