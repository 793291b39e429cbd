import { isAppError } from '../../contract/errors.ts'
import type { SandboxOperations } from '../../contract/sandbox-operations.ts'
import { CALLER } from '../caller.ts'
import type { Command } from '../command.ts'
import { usageError } from '../parse-arguments.ts'
import { checkedName } from './sandbox/named.ts'
import { terminalEnvironment, variablesOf, variableTexts } from './values.ts'

/** Where a better shell than `/bin/sh` may be. */
const BETTER_SHELLS = ['/bin/bash', '/usr/bin/bash']
const SHELL = '/bin/sh'

export const attach: Command = {
  spec: {
    name: 'attach',
    summary: 'Open a shell in a sandbox that stays',
    description:
      'Opens bash where the sandbox has it, else /bin/sh, on a terminal of its own; leaving it leaves the sandbox running. Without a ' +
      "terminal the shell reads its commands from stdin. The exit status is the shell's own. --record writes what the " +
      'screen shows, and not what is typed, as an asciicast v2 file that `agentkernel replay` plays.',
    usage: ['attach [flags] NAME'],
    positionals: { kind: 'list', label: 'NAME', summary: 'The sandbox; it must run', max: 1, complete: 'sandbox' },
    flags: [
      {
        name: 'env',
        short: 'e',
        value: { label: 'KEY=VALUE', complete: 'variable' },
        repeatable: true,
        summary: 'Set a variable; KEY alone copies its value from your environment (repeatable)',
      },
      {
        name: 'record',
        value: { label: 'FILE|DIR', complete: 'files' },
        summary: 'Record the session; in a directory as NAME-YYYYMMDD-HHMMSS.cast',
      },
      { name: 'json', summary: 'Read commands from stdin and print one object: exit_code, ended, duration_ms, stdout, stderr' },
    ],
    examples: [
      { command: 'agentkernel attach dev', note: 'Look around' },
      { command: 'agentkernel attach dev --record sessions/', note: 'Keep what happened' },
      { command: "echo 'npm ci && npm test' | agentkernel attach dev", note: 'A script on stdin' },
    ],
  },
  family: 'proxy',
  async execute(args, context) {
    const [given] = args.positionals
    if (given === undefined) throw usageError(attach.spec, 'name a sandbox, as in `agentkernel attach dev`.')
    const name = checkedName(attach.spec, given)
    const notices: string[] = []
    const env = variableTexts({ ...terminalEnvironment(context.env), ...variablesOf(attach.spec, args, context, notices) })
    for (const notice of notices) context.stderr.write(`${notice}\n`)
    const sandboxes = await context.sandboxes()
    const shell = await shellOf(sandboxes, name)
    const target = args.value('record')
    const recorder = target === undefined ? undefined : (await import('../recording.ts')).openRecording(target, { name, shell }, context)
    const { execWithIo } = await import('../run-io/exec-with-io.ts')
    try {
      return await execWithIo(
        (streams, signal) => sandboxes.execStream(name, { command: [shell], env, ...streams }, { caller: CALLER }, signal),
        { json: args.has('json'), ...(recorder === undefined ? {} : { listener: recorder }) },
        context,
      )
    } finally {
      recorder?.close()
    }
  },
}

/** The best shell that the sandbox has. Errors: `sandbox_not_found`, `sandbox_not_running`. */
async function shellOf(sandboxes: SandboxOperations, name: string): Promise<string> {
  for (const path of BETTER_SHELLS) {
    try {
      const { type } = await sandboxes.statFile(name, path)
      if (type === 'file' || type === 'symlink') return path
    } catch (error) {
      if (!isAppError(error) || !['file_not_found', 'file_access', 'path_forbidden'].includes(error.code)) throw error
    }
  }
  return SHELL
}
