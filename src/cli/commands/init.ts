import { AppError } from '../../contract/errors.ts'
import type { Command } from '../command.ts'
import { printable } from '../printable.ts'

export const init: Command = {
  spec: {
    name: 'init',
    summary: 'Write an agentkernel.toml for this project',
    description: 'Looks at the project to choose an image. An existing file is never overwritten.',
    usage: ['init [flags]'],
    positionals: { kind: 'none' },
    flags: [
      { name: 'name', short: 'n', value: { label: 'NAME' }, summary: 'Name of the sandbox (default: the name of the directory)' },
      { name: 'agent', short: 'a', value: { label: 'AGENT', complete: 'agent' }, summary: 'Coding agent to prepare for (default: claude)' },
    ],
    examples: [
      { command: 'agentkernel init', note: 'Describe the project in this directory' },
      { command: 'agentkernel init --name shop --agent codex', note: 'Choose name and agent' },
    ],
    laterFlags: [{ name: 'template', short: 't', note: 'Leave it out; the file can be edited afterwards.' }],
  },
  family: 'plain',
  async execute(args, context) {
    if (context.cwd === undefined) throw new AppError('workspace_unavailable', 'the current directory no longer exists.')
    const name = args.value('name')
    const agent = args.value('agent')
    const operations = await context.operations()
    const made = await operations.init({
      dir: context.cwd,
      ...(name === undefined ? {} : { name }),
      ...(agent === undefined ? {} : { agent }),
    })
    context.stdout.write(`Wrote ${printable(made.path)}\nImage: ${printable(made.image)} (${printable(made.reason)})\n`)
    return 0
  },
}
