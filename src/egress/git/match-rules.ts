import type { GitRule } from '../../contract/git-rules.ts'
import { isZero, type PushCommand } from './push-commands.ts'

/** What the rules say to one command of a push. `update`: allowed if it is a fast-forward. */
export type CommandVerdict = { readonly kind: 'allowed' | 'update' } | { readonly kind: 'denied'; readonly reason: string }

/** `rules` are those of the repository. */
export function judge(command: PushCommand, rules: readonly GitRule[]): CommandVerdict {
  const { ref } = command
  const named = rules.filter(({ push }) => push.some((pattern) => matches(pattern, ref)))
  if (named.length === 0) return { kind: 'denied', reason: `only ${listed(rules)} may be pushed here` }
  if (isZero(command.new)) {
    return named.some((rule) => rule.delete) ? { kind: 'allowed' } : { kind: 'denied', reason: 'it may not be deleted' }
  }
  return isZero(command.old) || named.some(({ force }) => force) ? { kind: 'allowed' } : { kind: 'update' }
}

/** The rules for a repository, which is a path without a leading slash and without `.git`. */
export function rulesFor(rules: readonly GitRule[], host: string, repo: string): readonly GitRule[] {
  return rules.filter((rule) => rule.host === host && rule.repos.some((pattern) => matches(pattern, repo)))
}

function matches(pattern: string, text: string): boolean {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : pattern === text
}

function listed(rules: readonly GitRule[]): string {
  const refs = [...new Set(rules.flatMap(({ push }) => push))]
  if (refs.length === 0) return 'nothing'
  return refs.length > 5 ? `${refs.slice(0, 5).join(', ')} and ${refs.length - 5} more` : refs.join(', ')
}
