import type { ExecRequest } from '../../contract/sandboxes.ts'
import { CALLER, uncanceled } from '../caller.ts'
import type { Command, CommandSpec } from '../command.ts'
import type { CliContext } from '../context.ts'
import { usageError } from '../parse-arguments.ts'
import type { ParsedArguments } from '../parse-arguments.ts'
import { printableJson } from '../printable.ts'
import { ALLOW_FLAG, BLOCK_FLAG, rulesOf } from './network-flags.ts'
import { checkedName } from './sandbox/named.ts'
import { defined, programOf, terminalEnvironment, timeoutOf, variablesOf, variableTexts, withoutNul } from './values.ts'

const SPEC: CommandSpec = {
  name: 'exec',
  summary: 'Run a command in a sandbox that stays',
  description:
    'Flags may stand before and after the name; they end at `--` or at the first word of the command. stdin, stdout and ' +
    'stderr are passed on as they are; when stdin and stdout are a terminal the command gets one of its own. The exit status is ' +
    "the command's own; 128+N when signal N ended it, 124 after --timeout, 125 when agentkernel itself failed, 126 when the " +
    'command cannot be executed, 127 when it is not found.',
  usage: ['exec NAME [flags] [--] COMMAND [ARG...]'],
  positionals: {
    kind: 'command',
    summary: 'The program to run, with its arguments',
    first: { label: 'NAME', summary: 'The sandbox; it must run', complete: 'sandbox' },
  },
  flags: [
    {
      name: 'env',
      short: 'e',
      value: { label: 'KEY=VALUE', complete: 'variable' },
      repeatable: true,
      summary: 'Set a variable; KEY alone copies its value from your environment (repeatable)',
    },
    { name: 'workdir', short: 'w', value: { label: 'DIR' }, summary: 'Start in this directory of the sandbox (default: its project)' },
    { name: 'sudo', summary: "As the sandbox's root" },
    { name: 'detach', short: 'd', summary: 'Do not wait: print the command as JSON, with the id that `sandbox exec-logs` takes' },
    {
      name: 'timeout',
      value: { label: 'DURATION' },
      summary: 'Stop the command after this long: 90, 500ms, 45s, 30m, 2h, 1d (default: never)',
    },
    { ...ALLOW_FLAG, summary: 'Let this command reach this and nothing else, whatever the sandbox may reach (repeatable)' },
    { ...BLOCK_FLAG, summary: 'Never let this command reach this (repeatable)' },
    { name: 'no-network', summary: 'No network for this command' },
    { name: 'json', summary: 'Print one object: exit_code, ended, duration_ms, stdout, stderr' },
  ],
  examples: [
    { command: 'agentkernel exec dev npm test', note: 'Run the tests' },
    { command: 'agentkernel exec dev -w src -e CI=1 -- make check', note: 'In a folder, with a variable' },
    { command: 'agentkernel exec dev tar -cf - . > work.tar', note: 'Take bytes out' },
    { command: 'agentkernel exec dev --allow preset:node -- npm ci', note: 'Let one command reach a registry' },
    { command: 'agentkernel exec dev --detach -- npm start', note: 'Start a server and go on' },
  ],
  laterFlags: [{ name: 'receipt' }],
  foreignFlags: [
    {
      shown: ['-it', '-ti', '-t', '-i', '--tty', '--interactive'],
      hint: 'leave it out: stdin is always connected, and on a terminal the command gets one by itself.',
    },
    { shown: ['-u', '--user'], hint: 'leave it out; --sudo runs the command as root of the sandbox.' },
  ],
}

export const exec: Command = {
  spec: SPEC,
  family: 'proxy',
  async execute(args, context) {
    const { name, request } = parseExec(args, context)
    const sandboxes = await context.sandboxes()
    if (args.has('detach')) {
      const started = await sandboxes.execDetach(name, request, { caller: CALLER }, uncanceled())
      context.stdout.write(`${printableJson(started, 2)}\n`)
      return 0
    }
    const { execWithIo } = await import('../run-io/exec-with-io.ts')
    return execWithIo(
      (streams, signal) => sandboxes.execStream(name, { ...request, ...streams }, { caller: CALLER }, signal),
      { json: args.has('json') },
      context,
    )
  },
}

function parseExec(args: ParsedArguments, context: CliContext): { readonly name: string; readonly request: ExecRequest } {
  const [name, ...words] = args.positionals
  if (name === undefined) throw usageError(SPEC, 'name a sandbox and a command, as in `agentkernel exec dev ls`.')
  const notices: string[] = []
  const variables = { ...terminalEnvironment(context.env), ...variablesOf(SPEC, args, context, notices) }
  const timeout = timeoutOf(SPEC, args.value('timeout'))
  const request: ExecRequest = {
    command: programOf(SPEC, words, `agentkernel exec ${checkedName(SPEC, name)} ls`),
    env: variableTexts(variables),
    ...defined('workdir', withoutNul(SPEC, '--workdir', args.value('workdir'))),
    ...(args.has('sudo') ? { sudo: true } : {}),
    ...defined('timeout_ms', timeout),
    ...defined('allow', rulesOf(SPEC, args, 'allow')),
    ...defined('block', rulesOf(SPEC, args, 'block')),
    ...(args.has('no-network') ? { network: 'none' as const } : {}),
  }
  for (const notice of notices) context.stderr.write(`${notice}\n`)
  return { name, request }
}
