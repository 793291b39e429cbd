import type { GitRule } from '../../contract/git-rules.ts'
import type { CompiledPolicy } from '../../policy/network/types.ts'

/** The same rules, and the requests to hosts with git rules are seen: what is no HTTP there, such as ssh, is refused. */
export function withGitRules(policy: CompiledPolicy, rules: readonly GitRule[]): CompiledPolicy {
  if (rules.length === 0) return policy
  const hosts = new Set(rules.map(({ host }) => host))
  return {
    level: policy.level,
    rules: policy.rules,
    decideLookup: (name) => policy.decideLookup(name),
    decideName: (name, port, protocol) => policy.decideName(name, port, protocol),
    decideAddress: (address, port, protocol) => policy.decideAddress(address, port, protocol),
    addressAllowed: (name, address, port, protocol) => policy.addressAllowed(name, address, port, protocol),
    decideRequest: (request) => policy.decideRequest(request),
    opens: (host, port) => hosts.has(host) || policy.opens(host, port),
  }
}
