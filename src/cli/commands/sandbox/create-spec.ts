import { PROFILE_NAMES } from '../../../contract/config.ts'
import type { CommandSpec, LaterFlag } from '../../command.ts'
import { JSON_FLAG } from '../../command.ts'
import { SECRET_FLAGS } from '../secret-flags.ts'
import { GIT_PUSH_FLAG, NETWORK_FLAGS, PUBLISH_SUMMARY } from '../network-flags.ts'

/** Flags of `create` that other parts of the product must be there for. */
const LATER: readonly LaterFlag[] = [
  { name: 'template' },
  { name: 'ssh', note: 'Leave it out; `agentkernel attach NAME` opens a shell.' },
  { name: 'source', note: 'Clone the repository yourself and name its folder with --dir.' },
  { name: 'git-ref', note: 'Check the commit out yourself and name the folder with --dir.' },
  { name: 'volume', short: 'v', note: 'Leave it out; `agentkernel sandbox cp` moves files both ways.' },
]

export const CREATE_SPEC: CommandSpec = {
  name: 'sandbox create',
  summary: 'Make a sandbox that stays, and start it',
  description:
    'The sandbox stays until it is removed or its time to live is over, whoever made it. Its workspace is empty unless ' +
    '--dir names a host directory: then it gets a copy of that project as it is now. It never shares the live files; ' +
    '`agentkernel sandbox cp` moves files in and out.',
  usage: ['sandbox create [flags] NAME', 'sandbox create [flags] --branch'],
  positionals: { kind: 'list', label: 'NAME', summary: '1 to 63 letters, digits, - and _', max: 1 },
  flags: [
    {
      name: 'dir',
      short: 'd',
      value: { label: 'DIR', complete: 'files' },
      summary: 'Copy in the project of this host directory (default: an empty workspace)',
    },
    { name: 'branch', summary: 'Derive the name from the git project and branch you stand in: PROJECT-BRANCH' },
    { name: 'config', short: 'c', value: { label: 'FILE', complete: 'files' }, summary: 'Use this config file, and honour all of it' },
    {
      name: 'agent',
      short: 'a',
      value: { label: 'AGENT', complete: 'agent' },
      summary: 'Coding agent that will work in it',
    },
    {
      name: 'backend',
      short: 'B',
      value: { label: 'NAME', complete: 'backend' },
      summary: 'Isolate with this backend instead of the best one',
    },
    {
      name: 'profile',
      value: { label: 'PROFILE', choices: PROFILE_NAMES, complete: 'profile' },
      summary: `How much its commands may do: ${PROFILE_NAMES.join(', ')} (default moderate)`,
    },
    ...NETWORK_FLAGS,
    GIT_PUSH_FLAG,
    ...SECRET_FLAGS,
    { name: 'publish', short: 'p', value: { label: 'PORT' }, repeatable: true, summary: PUBLISH_SUMMARY },
    { name: 'image', value: { label: 'IMAGE' }, summary: "Root file system; only `host`, this machine's own programs, for now" },
    { name: 'memory', value: { label: 'SIZE' }, summary: 'Memory limit: 512m, 1.5g; a bare number is bytes; at least 6m' },
    { name: 'vcpus', value: { label: 'N' }, summary: 'CPU limit in cores: 1, 0.5 (default: all)' },
    { name: 'cpus', value: { label: 'N' }, summary: 'The same as --vcpus' },
    { name: 'ttl', value: { label: 'DURATION' }, summary: 'Remove it after this long: 45s, 30m, 3h, 2d; 0 = never (default)' },
    {
      name: 'label',
      short: 'l',
      value: { label: 'KEY=VALUE' },
      repeatable: true,
      summary: 'Label it; KEY:VALUE means the same (repeatable)',
    },
    { name: 'description', value: { label: 'TEXT' }, summary: 'Say what it is for' },
    {
      name: 'env',
      short: 'e',
      value: { label: 'KEY=VALUE', complete: 'variable' },
      repeatable: true,
      summary: 'Set a variable for all its commands; KEY alone copies its value from your environment (repeatable)',
    },
    { name: 'auto-stop', value: { label: 'DURATION' }, summary: 'Stop it after this long without activity' },
    { name: 'auto-archive', value: { label: 'DURATION' }, summary: 'Archive it after this long without activity' },
    { name: 'auto-delete', value: { label: 'DURATION' }, summary: 'Delete it this long after it was archived' },
    { name: 'no-start', summary: 'Make it and leave it stopped' },
    {
      name: 'idempotency-key',
      value: { label: 'KEY' },
      summary: 'The same key again gives the first sandbox instead of an error or a second one',
    },
    JSON_FLAG,
  ],
  examples: [
    { command: 'agentkernel sandbox create dev --dir .', note: 'A sandbox with a copy of this project' },
    { command: 'agentkernel sandbox create scratch --ttl 2h --memory 1g --vcpus 1', note: 'An empty one that is gone in two hours' },
    {
      command: 'agentkernel sandbox create web -p 8080:80 --allow preset:node',
      note: 'One that reaches one ecosystem and is reached on a port',
    },
    { command: 'agentkernel sandbox create --branch --dir .', note: 'One for the branch you are on' },
    { command: 'agentkernel sb create ci-42 -l team=web -l tier=1 --json', note: 'With labels, for a script' },
  ],
  laterFlags: LATER,
}
