import { parseGitRule } from '../../contract/git-rules.ts'
import { NETWORK_MODES } from '../../contract/network.ts'
import type { NetworkMode, PublishedPort } from '../../contract/network.ts'
import { parsePublishedPort } from '../../contract/published-port.ts'
import type { CommandSpec, FlagSpec } from '../command.ts'
import { usageError } from '../parse-arguments.ts'
import type { ParsedArguments } from '../parse-arguments.ts'
import { quoted } from '../printable.ts'
import { defined, withoutNul } from './values.ts'

/** Rules are read where they are decided about; a door only takes them. */
export const ALLOW_FLAG: FlagSpec = {
  name: 'allow',
  value: { label: 'RULE', complete: 'network-rule' },
  repeatable: true,
  summary: 'Reach this and, without --network, nothing else: example.com, *.example.com:443, 10.0.0.0/8:5432, preset:node (repeatable)',
}
export const BLOCK_FLAG: FlagSpec = {
  name: 'block',
  value: { label: 'RULE', complete: 'network-rule' },
  repeatable: true,
  summary: 'Never reach this, whatever is allowed (repeatable)',
}

/** What every command that makes a sandbox says about its network. */
export const NETWORK_FLAGS: readonly FlagSpec[] = [
  {
    name: 'network',
    value: { label: 'MODE', choices: NETWORK_MODES },
    summary: 'How far it reaches: none, listed (what rules allow), public, or learn (public, and says which rules would be enough)',
  },
  ALLOW_FLAG,
  BLOCK_FLAG,
  { name: 'no-network', summary: 'No network, whatever the profile says' },
]

export const GIT_PUSH_FLAG: FlagSpec = {
  name: 'git-push',
  value: { label: 'RULE' },
  repeatable: true,
  summary: 'Push to this host over HTTPS only so: git.example.com/org/*=agent/* (repeatable; +agent/* also without fast-forward)',
}

export const PUBLISH_SUMMARY =
  'Listen on this machine for a port of the sandbox: 8080:80, 0.0.0.0:8080:80, 53:53/udp, or 80 for a free one (repeatable)'

/** `--network`, `--no-network`, `--allow` and `--block`. Errors: `usage`. */
export function networkOf(
  spec: CommandSpec,
  args: ParsedArguments,
): { readonly network?: NetworkMode; readonly allow?: readonly string[]; readonly block?: readonly string[] } {
  const mode = NETWORK_MODES.find((name) => name === args.value('network'))
  if (args.has('no-network') && mode !== undefined && mode !== 'none') {
    throw usageError(spec, `--network ${mode} and --no-network contradict each other; give one of them.`)
  }
  return {
    ...defined('network', args.has('no-network') ? 'none' : mode),
    ...defined('allow', rulesOf(spec, args, 'allow')),
    ...defined('block', rulesOf(spec, args, 'block')),
  }
}

/** Undefined when the flag was not given. Errors: `usage`. */
export function rulesOf(spec: CommandSpec, args: ParsedArguments, flag: 'allow' | 'block'): readonly string[] | undefined {
  const rules = args.values(flag)
  for (const rule of rules) withoutNul(spec, `--${flag}`, rule)
  return rules.length === 0 ? undefined : rules
}

/** Texts of `--git-push`, checked. Errors: `usage`. */
export function gitPushOf(spec: CommandSpec, args: ParsedArguments): readonly string[] | undefined {
  const texts = args.values('git-push')
  for (const text of texts) {
    const rules = parseGitRule(text)
    if ('problem' in rules) throw usageError(spec, `--git-push ${quoted(text)}: ${rules.problem}.`)
  }
  return texts.length === 0 ? undefined : texts
}

/** Ports of `--publish`. Errors: `usage`. */
export function publishOf(spec: CommandSpec, args: ParsedArguments): readonly PublishedPort[] | undefined {
  const taken = new Set<string>()
  const ports = args.values('publish').map((text) => {
    const port = parsePublishedPort(text)
    if ('problem' in port) throw usageError(spec, `--publish ${quoted(text)}: ${port.problem}.`)
    const place = `${port.hostAddress}:${port.hostPort} (${port.protocol})`
    if (port.hostPort !== 0 && taken.has(place))
      throw usageError(spec, `--publish gives ${place} twice; each port of this machine has one use.`)
    taken.add(place)
    return port
  })
  return ports.length === 0 ? undefined : ports
}
