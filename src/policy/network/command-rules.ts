import type { NetworkLevel } from '../../contract/config.ts'
import { AppError } from '../../contract/errors.ts'
import { type NetworkRules, PUBLIC_RULE } from '../../contract/network.ts'
import { refuseOverBroad } from './over-broad.ts'
import { canonicalRules } from './parse-rule.ts'

/** What one command of a sandbox says about its network. */
export interface CommandNetwork {
  readonly network?: 'none'
  readonly allow?: readonly string[]
  readonly block?: readonly string[]
}

/**
 * The rules of one command in a sandbox: its own list in place of the sandbox's, and the sandbox's blocks besides its own. Errors:
 * `invalid_argument` for a rule, `policy_denied` for more than `widest`.
 */
export async function commandRules(asked: CommandNetwork, sandbox: NetworkRules, widest: NetworkLevel): Promise<NetworkRules> {
  const block = [...new Set([...sandbox.block, ...canonicalRules(asked.block ?? [])])]
  if (asked.network === 'none') return { allow: [], block }
  if (asked.allow === undefined) return { allow: sandbox.allow, block }
  const allow = canonicalRules(asked.allow)
  await refuseOverBroad(allow)
  if (allow.length > 0 && widest === 'none') throw new AppError('policy_denied', 'min_network = "none" allows no network')
  if (allow.includes(PUBLIC_RULE) && widest !== 'public') {
    throw new AppError('policy_denied', `the rule "public" is wider than min_network = "${widest}"`)
  }
  return { allow, block }
}
