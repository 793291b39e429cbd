import { isAppError } from '../../contract/errors.ts'
import { formatPublishedPort } from '../../contract/published-port.ts'
import type { RunRequest } from '../../contract/run.ts'
import type { SandboxOperations } from '../../contract/sandbox-operations.ts'
import type { CreateRequest, SandboxInfo } from '../../contract/sandboxes.ts'
import { CALLER, uncanceled } from '../caller.ts'
import type { CliContext } from '../context.ts'
import { branchName } from '../git-project.ts'
import { moment } from '../moments.ts'
import { usageError } from '../parse-arguments.ts'
import type { ParsedArguments } from '../parse-arguments.ts'
import { commandLine, printable } from '../printable.ts'
import { withProgress } from '../progress.ts'
import type { ParsedRun } from './run-request.ts'
import { RUN_SPEC } from './run-spec.ts'
import { forwardedSecrets } from './secret-flags.ts'
import { checkedTtl } from './sandbox/create-request.ts'
import { defined, terminalEnvironment, variableTexts } from './values.ts'

/** How long a kept sandbox lives when nothing else was said. */
const DEFAULT_TTL = '1h'
const MIB = 1024 ** 2
/** Flags that say how a sandbox is made, and mean nothing for one that is there. */
const MAKING = [
  'config',
  'profile',
  'no-network',
  'network',
  'allow',
  'block',
  'git-push',
  'publish',
  'backend',
  'memory',
  'cpus',
  'image',
  'workspace',
  'ttl',
] as const

/** `run --keep` and `run --branch`: makes a sandbox that stays, or finds it, and runs the command in it. */
export async function runKept(args: ParsedArguments, parsed: ParsedRun, context: CliContext): Promise<number> {
  const { request, options, notices } = parsed
  if (!args.has('keep') && !args.has('branch')) throw usageError(RUN_SPEC, '--ttl is about a sandbox that stays; add --keep.')
  if (request.workspace === 'mount') {
    throw usageError(RUN_SPEC, '--workspace mount is not for a sandbox that stays: it never shares the live files; use copy or none.')
  }
  for (const flag of ['network-log', 'verbose']) {
    if (args.has(flag)) throw usageError(RUN_SPEC, `--${flag} is not for a sandbox that stays; leave it or --keep out.`)
  }
  const ttl = checkedTtl(RUN_SPEC, '--ttl', args.value('ttl')) ?? DEFAULT_TTL
  const name = args.has('branch') ? branchName(context.cwd) : `run-${crypto.randomUUID().slice(0, 8)}`
  const notice = (text: string): void => {
    if (!options.quiet) context.stderr.write(`agentkernel: ${printable(text)}\n`)
  }
  if (!options.quiet) for (const text of notices) context.stderr.write(`${text}\n`)
  const sandboxes = await context.sandboxes()
  const found = args.has('branch') ? await findSandbox(sandboxes, name) : undefined
  const secrets = found === undefined ? await forwardedSecrets(request.secrets, context, notice) : {}
  const info = await withProgress(`Preparing sandbox ${name}`, context, () =>
    found === undefined ? make(sandboxes, request, { name, ttl, ...secrets }) : reuse(sandboxes, found),
  )
  for (const warning of info.warnings ?? []) notice(warning)
  if (found !== undefined) tellUnused(args, name, notice)
  const { execWithIo } = await import('../run-io/exec-with-io.ts')
  const asked = {
    command: request.command,
    env: variableTexts({ ...terminalEnvironment(context.env), ...request.env }),
    ...defined('workdir', request.workdir),
    ...defined('timeout_ms', request.timeoutMs),
  }
  try {
    return await execWithIo(
      (streams, signal) => sandboxes.execStream(name, { ...asked, ...streams }, { caller: CALLER }, signal),
      { json: options.json },
      context,
    )
  } finally {
    const end = info.expires_at === undefined ? 'until it is removed' : `until ${moment(info.expires_at, new Date())}`
    notice(`kept sandbox ${name} ${end}; remove it with \`${commandLine(['agentkernel', 'sandbox', 'remove', name])}\``)
  }
}

async function findSandbox(sandboxes: SandboxOperations, name: string): Promise<SandboxInfo | undefined> {
  try {
    return await sandboxes.get(name)
  } catch (error) {
    if (isAppError(error, 'sandbox_not_found')) return undefined
    throw error
  }
}

/** A sandbox that runs. Errors: `sandbox_archived`. */
async function reuse(sandboxes: SandboxOperations, found: SandboxInfo): Promise<SandboxInfo> {
  return found.status === 'running' ? found : sandboxes.start(found.name, uncanceled())
}

async function make(
  sandboxes: SandboxOperations,
  request: RunRequest,
  given: Pick<CreateRequest, 'name' | 'ttl' | 'secrets' | 'secret_files' | 'placeholder_secrets'>,
): Promise<SandboxInfo> {
  const wanted: CreateRequest = {
    ...given,
    ...defined('dir', request.cwd),
    ...defined('image', request.image),
    ...defined('backend', request.backend),
    ...defined('profile', request.profile),
    ...defined('vcpus', request.cpus),
    ...defined('memory_mb', request.memoryBytes === undefined ? undefined : Math.ceil(request.memoryBytes / MIB)),
    ...defined('config_path', request.configPath),
    ...defined('workspace', request.workspace === 'mount' ? undefined : request.workspace),
    ...defined('network', request.network),
    ...defined('allow', request.allow),
    ...defined('block', request.block),
    ...defined('git_push', request.gitPush),
    ...defined('ports', request.publish?.map(formatPublishedPort)),
    ...defined('caller_path', request.callerEnv['PATH']),
  }
  return sandboxes.create(wanted, { caller: CALLER }, uncanceled())
}

function tellUnused(args: ParsedArguments, name: string, notice: (text: string) => void): void {
  const unused = MAKING.filter((flag) => args.has(flag)).map((flag) => `--${flag}`)
  if (unused.length > 0) notice(`sandbox ${name} is used as it was made; ${unused.join(', ')} did not change it`)
}
