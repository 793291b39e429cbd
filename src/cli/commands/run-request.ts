import { PROFILE_NAMES, WORKSPACE_MODES } from '../../contract/config.ts'
import type { RunRequest } from '../../contract/run.ts'
import type { CliContext } from '../context.ts'
import { usageError } from '../parse-arguments.ts'
import type { ParsedArguments } from '../parse-arguments.ts'
import { quoted } from '../printable.ts'
import { parseCpus, parseMemory } from './limits.ts'
import { gitPushOf, networkOf, publishOf } from './network-flags.ts'
import { RUN_SPEC } from './run-spec.ts'
import { secretsOf } from './secret-flags.ts'
import { callerEnvironment, defined, hostPath, imageOf, programOf, timeoutOf, variablesOf, withoutNul } from './values.ts'

export interface ParsedRun {
  readonly request: RunRequest
  readonly options: {
    readonly json: boolean
    readonly quiet: boolean
    /** Refusals on the network are said when they happen. */
    readonly verbose: boolean
  }
  /** Sentences for stderr. */
  readonly notices: readonly string[]
}

/** Reads the values of `run`'s command line. Errors: `usage`, `not_available_yet`. */
export function parseRun(args: ParsedArguments, context: CliContext): ParsedRun {
  const notices: string[] = []
  refuseVolumeHabit(args)
  const request: RunRequest = {
    command: programOf(RUN_SPEC, args.positionals, 'agentkernel run python3 --version'),
    cwd: context.cwd,
    env: variablesOf(RUN_SPEC, args, context, notices),
    callerEnv: callerEnvironment(context.env),
    ...defined('configPath', hostPath(RUN_SPEC, '--config', args.value('config'), context.cwd)),
    ...defined(
      'profile',
      PROFILE_NAMES.find((name) => name === args.value('profile')),
    ),
    ...defined('backend', withoutNul(RUN_SPEC, '--backend', args.value('backend'))),
    ...defined('image', imageOf(args.value('image'))),
    ...defined('workdir', withoutNul(RUN_SPEC, '--workdir', args.value('workdir'))),
    ...defined('timeoutMs', timeoutOf(RUN_SPEC, args.value('timeout'))),
    ...defined('memoryBytes', args.has('memory') ? parseMemory(RUN_SPEC, args.value('memory')!) : undefined),
    ...defined('cpus', args.has('cpus') ? parseCpus(RUN_SPEC, '--cpus', args.value('cpus')!) : undefined),
    ...networkOf(RUN_SPEC, args),
    ...defined('gitPush', gitPushOf(RUN_SPEC, args)),
    ...defined('secrets', secretsOf(RUN_SPEC, args)),
    ...defined('publish', publishOf(RUN_SPEC, args)),
    ...defined('networkLogPath', hostPath(RUN_SPEC, '--network-log', args.value('network-log'), context.cwd)),
    ...defined(
      'workspace',
      WORKSPACE_MODES.find((mode) => mode === args.value('workspace')),
    ),
  }
  return { request, options: { json: args.has('json'), quiet: args.has('quiet'), verbose: args.has('verbose') }, notices }
}

/** `-v` is --verbose here; what follows it in docker would be taken for the command. */
function refuseVolumeHabit(args: ParsedArguments): void {
  const [word = ''] = args.positionals
  if (args.has('verbose') && /^[^:]*\/[^:]*:\//.test(word)) {
    throw usageError(RUN_SPEC, `-v is --verbose, and ${quoted(word)} is no command; --workspace mount shows the project read-write.`)
  }
}
