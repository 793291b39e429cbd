import { PROFILE_NAMES, WORKSPACE_MODES } from '../../contract/config.ts'
import { SECRET_FLAGS } from './secret-flags.ts'
import type { CommandSpec } from '../command.ts'
import { GIT_PUSH_FLAG, NETWORK_FLAGS, PUBLISH_SUMMARY } from './network-flags.ts'

export const RUN_SPEC: CommandSpec = {
  name: 'run',
  summary: 'Run a command in a fresh sandbox',
  description:
    'The sandbox is gone when the command ends, unless --keep or --branch makes one that stays. Flags end at the first word that is not one, so the command keeps its ' +
    "own flags; `--` is optional. The exit status is the command's own; 128+N when signal N ended it, 124 after " +
    '--timeout, 125 when agentkernel itself failed, 126 when the command cannot be executed, 127 when it is not found.',
  usage: ['run [flags] COMMAND [ARG...]'],
  positionals: { kind: 'command', summary: 'The program to run, with its arguments' },
  flags: [
    { name: 'config', short: 'c', value: { label: 'FILE', complete: 'files' }, summary: 'Use this config file, and honour all of it' },
    {
      name: 'profile',
      short: 'p',
      value: { label: 'PROFILE', choices: PROFILE_NAMES, complete: 'profile' },
      summary: `How much the command may do: ${PROFILE_NAMES.join(', ')} (default moderate)`,
    },
    ...NETWORK_FLAGS,
    GIT_PUSH_FLAG,
    ...SECRET_FLAGS,
    {
      name: 'network-log',
      value: { label: 'FILE', complete: 'files' },
      summary: 'Write what was reached and what was refused to this file, one JSON object a line',
    },
    { name: 'publish', short: 'P', value: { label: 'PORT' }, repeatable: true, summary: PUBLISH_SUMMARY },
    {
      name: 'backend',
      short: 'B',
      value: { label: 'NAME', complete: 'backend' },
      summary: 'Isolate with this backend instead of the best one',
    },
    {
      name: 'env',
      short: 'e',
      value: { label: 'KEY=VALUE', complete: 'variable' },
      repeatable: true,
      summary: 'Set a variable; KEY alone copies its value from your environment (repeatable)',
    },
    {
      name: 'workdir',
      short: 'w',
      value: { label: 'DIR' },
      summary: 'Start in this directory of the sandbox (default: where you stand in the project)',
    },
    {
      name: 'timeout',
      value: { label: 'DURATION' },
      summary: 'Stop the command after this long: 90, 500ms, 45s, 30m, 2h, 1d (default: never)',
    },
    { name: 'memory', value: { label: 'SIZE' }, summary: 'Memory limit: 512m, 1.5g; a bare number is bytes; at least 6m' },
    { name: 'cpus', value: { label: 'N' }, summary: 'CPU limit in cores: 1, 0.5 (default: all)' },
    {
      name: 'image',
      short: 'i',
      value: { label: 'IMAGE' },
      summary: "Root file system; only `host`, this machine's own programs, for now",
    },
    {
      name: 'workspace',
      value: { label: 'MODE', choices: WORKSPACE_MODES },
      summary: 'Show the project not at all (none), as a private copy (copy), or the real files (mount)',
    },
    { name: 'keep', short: 'k', summary: 'Run it in a sandbox that stays afterwards, named run-XXXXXXXX' },
    { name: 'ttl', value: { label: 'DURATION' }, summary: 'Remove a kept sandbox after this long: 30m, 3h, 2d; 0 = never (default 1h)' },
    { name: 'branch', summary: 'Keep it, named after the git project and branch; one that is there already is used again' },
    { name: 'verbose', short: 'v', summary: 'Say at once when something is refused on the network' },
    { name: 'quiet', short: 'q', summary: 'No notices on stderr' },
    { name: 'json', summary: 'Print one object: exit_code, ended, duration_ms, stdout, stderr, and ports with --publish' },
  ],
  examples: [
    { command: `agentkernel run python3 -c "print('Hello from sandbox!')"`, note: 'Run a line of Python' },
    { command: 'agentkernel run npm test', note: 'Test the project; changes stay in a private copy' },
    { command: 'agentkernel run -p restrictive --workspace copy --timeout 30s ./script.sh', note: 'Run something you do not trust' },
    { command: 'agentkernel run --workspace mount make build', note: 'Let the command change the real files' },
    { command: 'agentkernel run --allow preset:node npm ci', note: 'Reach the hosts of one ecosystem and nothing else' },
    { command: 'agentkernel run --network learn npm test', note: 'Find out which hosts it needs' },
    { command: 'agentkernel run --keep npm ci', note: 'Keep the sandbox, to go on in it' },
    { command: 'agentkernel run -e API_URL=http://localhost -e CI bash', note: 'Open a shell with two variables' },
  ],
  laterFlags: [
    { name: 'fast', short: 'F', note: 'Leave it out.' },
    { name: 'template' },
    { name: 'ssh' },
    { name: 'volume', note: 'Leave it out; --workspace mount shows the project read-write.' },
    { name: 'receipt' },
    { name: 'build' },
  ],
  // What fingers know from docker.
  foreignFlags: [
    {
      shown: ['-it', '-ti', '-t', '--tty', '--interactive'],
      hint: 'leave it out: on a terminal the command gets one by itself, and -i is short for --image.',
    },
    { shown: ['--rm'], hint: 'leave it out: a sandbox is removed when its command ends, unless --keep is given.' },
  ],
}
