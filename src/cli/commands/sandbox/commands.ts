import { AppError } from '../../../contract/errors.ts'
import type { Command, CommandSpec } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import { moment } from '../../moments.ts'
import { usageError } from '../../parse-arguments.ts'
import type { ParsedArguments } from '../../parse-arguments.ts'
import { commandLine, printable, printableJson, quoted } from '../../printable.ts'
import { table } from '../../table.ts'
import { nameOf, ONE_NAME } from './named.ts'

/** Ids as the guest protocol has them. */
const ID = /^[A-Za-z0-9_-]{1,64}$/

const NAME_AND_ID = {
  kind: 'list',
  label: 'NAME ID',
  summary: 'The sandbox, and the id of a command in it',
  max: 2,
  complete: 'exec',
} as const

export const execList: Command = {
  spec: {
    name: 'sandbox exec-list',
    summary: 'List the detached commands of a sandbox',
    usage: ['sandbox exec-list [flags] NAME'],
    positionals: ONE_NAME,
    flags: [JSON_FLAG],
    examples: [
      { command: 'agentkernel sandbox exec-list dev', note: 'What `exec --detach` started' },
      { command: 'agentkernel sandbox exec-list dev --json', note: 'The same for a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const name = nameOf(execList.spec, args)
    const found = await (await context.sandboxes()).execList(name)
    if (args.has('json')) {
      context.stdout.write(`${printableJson(found, 2)}\n`)
      return 0
    }
    if (found.length === 0) {
      context.stderr.write(`Sandbox ${name} has no detached commands.\n`)
      return 0
    }
    const now = new Date()
    const rows = found.map(({ id, status, exit_code: exit, pid, started_at: started, command }) => [
      printable(id),
      printable(status),
      exit === null ? '-' : String(exit),
      String(pid),
      printable(moment(started, now)),
      commandLine(command),
    ])
    context.stdout.write(table(COLUMNS, rows))
    return 0
  },
}

const COLUMNS = [
  { title: 'ID', width: 12 },
  { title: 'STATUS', width: 11 },
  { title: 'EXIT', width: 6 },
  { title: 'PID', width: 8 },
  { title: 'STARTED', width: 20 },
  { title: 'COMMAND', width: 0 },
]

export const execLogs: Command = {
  spec: {
    name: 'sandbox exec-logs',
    summary: 'Print what a detached command wrote',
    description:
      'Prints its stdout, or with --stderr its stderr, as bytes, from the beginning of what is kept: the newest 256 MiB of ' +
      'each. With --json, the text of at most the first 16 MiB.',
    usage: ['sandbox exec-logs [flags] NAME ID'],
    positionals: NAME_AND_ID,
    flags: [
      { name: 'stderr', summary: 'What it wrote to stderr instead' },
      { name: 'follow', short: 'f', summary: 'Go on until the command has ended' },
      JSON_FLAG,
    ],
    examples: [
      { command: 'agentkernel sandbox exec-logs dev ID', note: 'What there is so far' },
      { command: 'agentkernel sandbox exec-logs dev ID --follow', note: 'And what comes' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const [name, id] = nameAndId(execLogs.spec, args)
    const request = { name, id, channel: args.has('stderr') ? 'stderr' : 'stdout', follow: args.has('follow') } as const
    const { printLog } = await import('./print-log.ts')
    return printLog(await context.sandboxes(), request, args.has('json'), context)
  },
}

export const execKill: Command = {
  spec: {
    name: 'sandbox exec-kill',
    summary: 'End a detached command',
    usage: ['sandbox exec-kill [flags] NAME ID'],
    positionals: NAME_AND_ID,
    flags: [JSON_FLAG],
    examples: [
      { command: 'agentkernel sandbox exec-kill dev ID', note: 'End it and what it started' },
      { command: 'agentkernel sandbox exec-kill dev ID --json', note: 'The same for a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const [name, id] = nameAndId(execKill.spec, args)
    await (await context.sandboxes()).execKill(name, id)
    context.stdout.write(args.has('json') ? `${printableJson({ killed: id }, 2)}\n` : `Ended ${id}\n`)
    return 0
  },
}

function nameAndId(spec: CommandSpec, args: ParsedArguments): readonly [string, string] {
  const name = nameOf(spec, args)
  const id = args.positionals[1]
  if (id === undefined) throw usageError(spec, `name a command; \`agentkernel sandbox exec-list ${name}\` lists their ids.`)
  if (!ID.test(id)) {
    throw new AppError('exec_not_found', `${quoted(id)} is no id of a command.`, {
      fix: `List them with \`agentkernel sandbox exec-list ${name}\`.`,
    })
  }
  return [name, id]
}

/** The audit records of a sandbox. */
export const logs: Command = {
  spec: {
    name: 'sandbox logs',
    summary: 'Print the audit records of a sandbox',
    usage: ['sandbox logs [flags] NAME'],
    positionals: ONE_NAME,
    flags: [
      { name: 'last', value: { label: 'N' }, summary: 'Only the newest N' },
      { name: 'json', summary: 'Print one JSON object a line' },
    ],
    examples: [
      { command: 'agentkernel sandbox logs dev', note: 'Everything that happened to it' },
      { command: 'agentkernel sandbox logs dev --last 10 --json', note: 'The newest, for a script' },
    ],
  },
  family: 'plain',
  async execute(args, context) {
    const name = nameOf(logs.spec, args)
    const last = lastOf(args.value('last'))
    const { records, warnings } = await (await context.sandboxes()).logs(name)
    for (const warning of warnings) context.stderr.write(`agentkernel: ${printable(warning)}\n`)
    const shown = last === undefined ? records : records.slice(-last)
    if (args.has('json')) for (const record of shown) context.stdout.write(`${printableJson(record)}\n`)
    else if (shown.length === 0) context.stderr.write(`The audit log has no record of sandbox ${name}.\n`)
    else {
      const { auditTable } = await import('../audit-table.ts')
      context.stdout.write(auditTable(shown))
    }
    return 0
  },
}

function lastOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw usageError(logs.spec, `--last ${quoted(text)} is not a number above zero.`)
}
