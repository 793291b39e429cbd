import type { ResolvedConfig } from '../../contract/config.ts'
import { AppError } from '../../contract/errors.ts'
import { type GitRule, parseGitRule } from '../../contract/git-rules.ts'

/** What may be pushed over HTTPS: rules of the configuration and those that were asked for. Empty: no rules. Errors: `invalid_argument`. */
export function gitRulesOf(config: Pick<ResolvedConfig, 'gitRules'>, asked: readonly string[] = []): readonly GitRule[] {
  const parsed = asked.flatMap((text) => {
    const rules = parseGitRule(text)
    if ('problem' in rules) throw new AppError('invalid_argument', `the git rule ${JSON.stringify(text.slice(0, 60))}: ${rules.problem}`)
    return rules
  })
  return [...(config.gitRules ?? []), ...parsed]
}
