import { PROFILE_NAMES } from '../../../contract/config.ts'
import type { RulesInput } from '../../../contract/network-reports.ts'
import type { CommandSpec, FlagSpec } from '../../command.ts'
import type { CliContext } from '../../context.ts'
import type { ParsedArguments } from '../../parse-arguments.ts'
import { NETWORK_FLAGS, networkOf } from '../network-flags.ts'
import { defined, hostPath } from '../values.ts'

/** The flags of `run` that decide about its rules. */
export const RULES_FLAGS: readonly FlagSpec[] = [
  { name: 'config', short: 'c', value: { label: 'FILE', complete: 'files' }, summary: 'Use this config file, and honour all of it' },
  {
    name: 'profile',
    short: 'p',
    value: { label: 'PROFILE', choices: PROFILE_NAMES, complete: 'profile' },
    summary: `Rules of this profile: ${PROFILE_NAMES.join(', ')} (default moderate)`,
  },
  ...NETWORK_FLAGS,
]

/** Errors: `usage`, `workspace_unavailable`. */
export function rulesInput(spec: CommandSpec, args: ParsedArguments, context: CliContext): RulesInput {
  return {
    cwd: context.cwd,
    ...defined('configPath', hostPath(spec, '--config', args.value('config'), context.cwd)),
    ...defined(
      'profile',
      PROFILE_NAMES.find((name) => name === args.value('profile')),
    ),
    ...networkOf(spec, args),
  }
}
