import type { DaemonStatus } from '../../contract/daemon.ts'
import type { Command } from '../command.ts'
import { JSON_FLAG } from '../command.ts'
import { moment } from '../moments.ts'
import { printable, printableJson } from '../printable.ts'
import { withProgress } from '../progress.ts'
import { facts } from '../table.ts'
import { commandGroup } from './group.ts'

const start: Command = {
  spec: {
    name: 'daemon start',
    summary: 'Start the daemon, and let it stay',
    description: 'A daemon that was started on demand stays as well from now on. Starting one that runs is a success.',
    usage: ['daemon start [flags]'],
    positionals: { kind: 'none' },
    flags: [JSON_FLAG],
    examples: [
      { command: 'agentkernel daemon start', note: 'Have it ready, also when nothing needs it' },
      { command: 'agentkernel daemon start --json', note: 'The same for a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const operations = await context.daemon()
    const status = await withProgress('Starting the daemon', context, () => operations.start())
    if (args.has('json')) context.stdout.write(`${printableJson(status, 2)}\n`)
    else context.stdout.write(`The daemon runs (process ${status.pid ?? '?'})\n`)
    return 0
  },
}

const stop: Command = {
  spec: {
    name: 'daemon stop',
    summary: 'End the daemon; sandboxes go on',
    description: 'The next command that needs a daemon starts one again. What runs in sandboxes notices nothing.',
    usage: ['daemon stop [flags]'],
    positionals: { kind: 'none' },
    flags: [JSON_FLAG],
    examples: [
      { command: 'agentkernel daemon stop', note: 'Before an upgrade, say' },
      { command: 'agentkernel daemon stop --json', note: 'The same for a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const operations = await context.daemon()
    const stopped = await withProgress('Ending the daemon', context, () => operations.stop())
    if (args.has('json')) context.stdout.write(`${printableJson({ stopped }, 2)}\n`)
    else context.stdout.write(stopped ? 'The daemon has ended\n' : 'No daemon was running\n')
    return 0
  },
}

const status: Command = {
  spec: {
    name: 'daemon status',
    summary: 'Show whether the daemon runs, and where',
    description: 'Exits with 1 when it does not run. Never starts it.',
    usage: ['daemon status [flags]'],
    positionals: { kind: 'none' },
    flags: [JSON_FLAG],
    examples: [
      { command: 'agentkernel daemon status', note: 'Process, socket, log, sandboxes' },
      { command: 'agentkernel daemon status --json', note: 'The same for a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const found = await (await context.daemon()).status()
    context.stdout.write(args.has('json') ? `${printableJson(found, 2)}\n` : page(found))
    return found.running ? 0 : 1
  },
}

function page(found: DaemonStatus): string {
  const { pid, version, started_at: started, url, stays, log, socket, sandboxes } = found
  const text = (value: string | undefined): string | undefined => (value === undefined ? undefined : printable(value))
  return facts([
    ['Status', found.running ? 'running' : 'not running'],
    ['Process', pid === undefined ? undefined : String(pid)],
    ['Version', text(version)],
    ['Started', started === undefined ? undefined : printable(moment(started, new Date()))],
    ['Ends', found.running ? (stays === true ? 'when it is told to' : 'by itself, when nothing needs it') : undefined],
    ['Address', text(url)],
    ['Socket', text(socket)],
    ['Log', printable(log)],
    ['Sandboxes', sandboxes === undefined ? undefined : `${sandboxes.running} running, ${sandboxes.total} in all`],
  ])
}

export const daemon: Command = commandGroup({
  name: 'daemon',
  summary: 'Look after the daemon behind sandboxes that stay',
  description:
    'It is started when a command needs it, and ends by itself when no sandbox runs and nobody ran `daemon start`. Sandboxes ' +
    'outlive it.',
  subcommands: { start, stop, status },
  examples: [
    { command: 'agentkernel daemon status', note: 'Does it run, and where is its log?' },
    { command: 'agentkernel daemon stop', note: 'End it; sandboxes go on' },
  ],
})
