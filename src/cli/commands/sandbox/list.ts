import type { SandboxInfo } from '../../../contract/sandboxes.ts'
import type { Command } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import type { CliContext } from '../../context.ts'
import { gitProject } from '../../git-project.ts'
import type { GitProject } from '../../git-project.ts'
import { usageError } from '../../parse-arguments.ts'
import type { ParsedArguments } from '../../parse-arguments.ts'
import { printable, printableJson } from '../../printable.ts'
import { styleFor } from '../../style.ts'
import type { Style } from '../../style.ts'
import { table } from '../../table.ts'
import { LABEL_FLAG, labelsOf } from './named.ts'
import { labelsText, portsText, statusText } from './show.ts'

export const list: Command = {
  spec: {
    name: 'sandbox list',
    summary: 'List sandboxes',
    description:
      'With --project, those of a git project: named PROJECT or PROJECT-something. Without a value it is the project you ' +
      'stand in, and sandboxes made from its folder count too.',
    usage: ['sandbox list [flags]'],
    positionals: { kind: 'none' },
    flags: [
      { name: 'project', value: { label: 'NAME', optional: true }, summary: 'Only those of this project (default: the one you stand in)' },
      LABEL_FLAG,
      JSON_FLAG,
    ],
    examples: [
      { command: 'agentkernel sandbox list', note: 'All of yours' },
      { command: 'agentkernel sb ls --project', note: 'Those of the project you stand in' },
      { command: 'agentkernel sandbox list -l team=web --json', note: 'Those with a label, for a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const labels = labelsOf(list.spec, args)
    const belongs = projectFilter(args, context)
    const sandboxes = await context.sandboxes()
    const found = (await sandboxes.list(labels === undefined ? {} : { labels })).filter(belongs)
    if (args.has('json')) context.stdout.write(`${printableJson(found, 2)}\n`)
    else if (found.length > 0) context.stdout.write(sandboxTable(found, styleFor(context.stdout, context.env)))
    else context.stderr.write(emptyText(args))
    return 0
  },
}

function projectFilter(args: ParsedArguments, context: CliContext): (info: SandboxInfo) => boolean {
  if (!args.has('project')) return () => true
  const named = args.value('project')
  const project: Pick<GitProject, 'name' | 'root'> | undefined = named === undefined ? gitProject(context.cwd) : { name: named, root: '' }
  if (project === undefined) {
    throw usageError(list.spec, '--project needs a name, because the current directory is in no git project.')
  }
  return (info) => info.name === project.name || info.name.startsWith(`${project.name}-`) || info.project === project.root
}

function sandboxTable(found: readonly SandboxInfo[], style: Style): string {
  const rows = found.map((info) => [
    printable(info.name),
    statusText(info.status, style),
    printable(info.backend),
    info.status === 'running' ? printable(info.ip ?? '-') : '-',
    labelsText(info) ?? '-',
    portsText(info) ?? '-',
  ])
  return table(COLUMNS, rows)
}

const COLUMNS = [
  { title: 'NAME', width: 30 },
  { title: 'STATUS', width: 10 },
  { title: 'BACKEND', width: 10 },
  { title: 'IP', width: 17 },
  { title: 'LABELS', width: 20 },
  { title: 'PORTS', width: 0 },
]

function emptyText(args: ParsedArguments): string {
  if (args.has('label') || args.has('project')) return 'No sandbox matches.\n'
  return 'There are no sandboxes; make one with `agentkernel sandbox create NAME`.\n'
}
