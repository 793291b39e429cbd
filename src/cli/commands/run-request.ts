import { PROFILE_NAMES, WORKSPACE_MODES } from '../../contract/config.ts'
import type { RunRequest } from '../../contract/run.ts'
import type { CliContext } from '../context.ts'
import type { ParsedArguments } from '../parse-arguments.ts'
import { parseCpus, parseMemory } from './limits.ts'
import { RUN_SPEC } from './run-spec.ts'
import { callerEnvironment, defined, hostPath, imageOf, programOf, timeoutOf, variablesOf, withoutNul } from './values.ts'

export interface ParsedRun {
  readonly request: RunRequest
  readonly options: { readonly json: boolean; readonly quiet: boolean }
  /** Sentences for stderr. */
  readonly notices: readonly string[]
}

/** Reads the values of `run`'s command line. Errors: `usage`, `not_available_yet`. */
export function parseRun(args: ParsedArguments, context: CliContext): ParsedRun {
  const notices: string[] = []
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
    ...defined('network', args.has('no-network') ? false : undefined),
    ...defined(
      'workspace',
      WORKSPACE_MODES.find((mode) => mode === args.value('workspace')),
    ),
  }
  return { request, options: { json: args.has('json'), quiet: args.has('quiet') }, notices }
}
