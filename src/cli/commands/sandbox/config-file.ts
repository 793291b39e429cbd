import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { AppError } from '../../../contract/errors.ts'
import { CALLER, uncanceled } from '../../caller.ts'
import type { Command, CommandSpec } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import { usageError } from '../../parse-arguments.ts'
import { printableJson, quoted } from '../../printable.ts'
import { defined, hostPath, withoutNul } from '../values.ts'
import { checkedName, nameOf, ONE_NAME } from './named.ts'
import { writeWarnings } from './show.ts'

/** More than any configuration has; a larger file is another file. */
const MOST_BYTES = 1024 ** 2

export const exportConfig: Command = {
  spec: {
    name: 'sandbox export-config',
    summary: 'Print a sandbox as an agentkernel.toml',
    description: 'What `sandbox import-config` makes a sandbox like it from. Files in the sandbox are not part of it.',
    usage: ['sandbox export-config [flags] NAME'],
    positionals: ONE_NAME,
    flags: [{ name: 'json', summary: 'Print {"config": TEXT}' }],
    examples: [
      { command: 'agentkernel sandbox export-config dev > dev.toml', note: 'Keep it in a file' },
      { command: 'agentkernel sandbox export-config dev --json', note: 'For a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const config = await (await context.sandboxes()).exportConfig(nameOf(exportConfig.spec, args))
    context.stdout.write(args.has('json') ? `${printableJson({ config })}\n` : config.endsWith('\n') ? config : `${config}\n`)
    return 0
  },
}

export const importConfig: Command = {
  spec: {
    name: 'sandbox import-config',
    summary: 'Make a sandbox from an agentkernel.toml and leave it stopped',
    usage: ['sandbox import-config [flags] FILE'],
    positionals: { kind: 'list', label: 'FILE', summary: 'The file; - reads standard input', max: 1, complete: 'files' },
    flags: [
      { name: 'as', value: { label: 'NAME' }, summary: 'Name of the new sandbox (default: as the file says)' },
      {
        name: 'backend',
        short: 'B',
        value: { label: 'NAME', complete: 'backend' },
        summary: 'Isolate with this backend instead of the one in the file',
      },
      JSON_FLAG,
    ],
    examples: [
      { command: 'agentkernel sandbox import-config dev.toml --as dev2', note: 'A second one like it' },
      { command: 'agentkernel sandbox export-config dev | agentkernel sandbox import-config - --as dev3', note: 'Without a file' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const { spec } = importConfig
    const [file] = args.positionals
    if (file === undefined) throw usageError(spec, 'name a file, or - for standard input.')
    const as = args.value('as')
    const input = {
      ...defined('as', as === undefined ? undefined : checkedName(spec, as)),
      ...defined('backend', withoutNul(spec, '--backend', args.value('backend'))),
      config: readConfig(spec, file, context.cwd),
    }
    const info = await (await context.sandboxes()).importConfig(input, { caller: CALLER }, uncanceled())
    writeWarnings(info, context)
    if (args.has('json')) context.stdout.write(`${printableJson(info, 2)}\n`)
    else context.stdout.write(`Created sandbox ${info.name} (stopped); start it with \`agentkernel sandbox start ${info.name}\`\n`)
    return 0
  },
}

function readConfig(spec: CommandSpec, file: string, cwd: string | undefined): string {
  const fd = file === '-' ? 0 : openConfig(file, hostPath(spec, 'FILE', file, cwd)!)
  try {
    if (fd !== 0 && fstatSync(fd).isDirectory()) throw new AppError('config_not_found', `${quoted(file)} is a directory, not a file.`)
    const buffer = Buffer.alloc(MOST_BYTES + 1)
    let size = 0
    for (let read = -1; read !== 0 && size <= MOST_BYTES; size += read) read = readSync(fd, buffer, size, buffer.length - size, null)
    if (size > MOST_BYTES) throw new AppError('config_invalid', `${quoted(file)} is larger than 1 MiB, which no configuration is.`)
    return buffer.toString('utf8', 0, size)
  } finally {
    if (fd !== 0) closeSync(fd)
  }
}

function openConfig(file: string, path: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    throw new AppError('config_not_found', `${quoted(file)} cannot be read.`, { cause: error, fix: 'Check the path.' })
  }
}
