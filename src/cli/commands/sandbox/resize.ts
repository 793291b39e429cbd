import { uncanceled } from '../../caller.ts'
import type { Command } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import { usageError } from '../../parse-arguments.ts'
import { printableJson } from '../../printable.ts'
import { parseMemoryMb } from '../limits.ts'
import { defined } from '../values.ts'
import { vcpusOf } from './create-request.ts'
import { nameOf, ONE_NAME } from './named.ts'
import { memoryText, vcpusText, writeWarnings } from './show.ts'

export const resize: Command = {
  spec: {
    name: 'sandbox resize',
    summary: 'Change the limits of a sandbox',
    description: 'Takes effect at once where it runs, without ending anything in it; else with its next start.',
    usage: ['sandbox resize [flags] NAME'],
    positionals: ONE_NAME,
    flags: [
      { name: 'vcpus', value: { label: 'N' }, summary: 'CPU limit in cores: 1, 0.5' },
      { name: 'cpus', value: { label: 'N' }, summary: 'The same as --vcpus' },
      { name: 'memory', value: { label: 'SIZE' }, summary: 'Memory limit: 512m, 1.5g; a bare number is bytes; at least 6m' },
      JSON_FLAG,
    ],
    examples: [
      { command: 'agentkernel sandbox resize dev --memory 4g --vcpus 2', note: 'More of both' },
      { command: 'agentkernel sandbox resize dev --cpus 0.5', note: 'Less of one' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const name = nameOf(resize.spec, args)
    const limits = {
      ...defined('vcpus', vcpusOf(resize.spec, args)),
      ...defined('memory_mb', args.has('memory') ? parseMemoryMb(resize.spec, args.value('memory')!) : undefined),
    }
    if (Object.keys(limits).length === 0) throw usageError(resize.spec, 'give --vcpus, --memory or both.')
    const info = await (await context.sandboxes()).resize(name, limits, uncanceled())
    writeWarnings(info, context)
    if (args.has('json')) context.stdout.write(`${printableJson(info, 2)}\n`)
    else context.stdout.write(`Resized ${name}: vCPUs ${vcpusText(info)}, memory ${memoryText(info)}\n`)
    return 0
  },
}
