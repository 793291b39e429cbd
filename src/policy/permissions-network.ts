import type { NetworkLevel, ResolvedConfig } from '../contract/config.ts'
import { NETWORK_LEVELS } from '../contract/config.ts'
import { AppError, isAppError } from '../contract/errors.ts'
import { NO_NETWORK, PUBLIC_RULE } from '../contract/network.ts'
import type { NetworkRules } from '../contract/network.ts'
import type { RunRequest } from '../contract/run.ts'
import type { Compatibility } from './compatibility.ts'
import { allowedDomains, COMPATIBILITY } from './compatibility.ts'
import { refuseOverBroad } from './network/over-broad.ts'
import { canonicalRules } from './network/parse-rule.ts'
import { isWithinPublic } from './network/within-public.ts'

/** What the other permissions have settled before the network's turn. */
export interface NetworkBase {
  /** What profile or compatibility mode imply, and who decided that. */
  readonly implied: { readonly value: NetworkLevel; readonly source: string }
  /** True when a flag named the profile, so that the config may only narrow. */
  readonly fixed: boolean
  readonly mode: keyof typeof COMPATIBILITY | undefined
}

export interface ResolvedNetwork {
  readonly level: NetworkLevel
  readonly rules: NetworkRules
  /** Who decided, a short phrase. */
  readonly source: string
}

/** Rules that allow, before `min_network` is looked at. */
interface Allowed {
  readonly rules: readonly string[]
  readonly source: string
  /** How a person asked for it by name; undefined = it is implied. */
  readonly asked?: string
}

/** Rules of each writer, canonical. */
interface Written {
  readonly flags: readonly string[]
  readonly config: readonly string[]
  readonly mode: readonly string[]
  readonly always: readonly string[]
  readonly secrets: readonly string[]
}

/**
 * Expands what is asked for and what is implied to written rules. Errors: `invalid_argument` (a rule of a flag), `config_invalid`
 * (a rule of a file), `policy_denied` (asked by name for more than `min_network`).
 */
export async function resolveNetwork(base: NetworkBase, request: RunRequest, config: ResolvedConfig): Promise<ResolvedNetwork> {
  const written = await writtenRules(base, request, config)
  const block = [
    ...inSource('--block', request.block ?? []),
    ...inSource('security.domains.block', config.domains.block),
    ...canonicalRules(modeOf(base)?.domains.block ?? []),
  ]
  const { rules, source } = underMinNetwork(allowedRules(base, request, config, written), config.minNetwork)
  if (rules.length === 0) return { level: 'none', rules: NO_NETWORK, source }
  const allow = [...new Set(rules)]
  return { level: allow.includes(PUBLIC_RULE) ? 'public' : 'listed', rules: { allow, block: [...new Set(block)] }, source }
}

async function writtenRules(base: NetworkBase, request: RunRequest, { domains }: ResolvedConfig): Promise<Written> {
  const mode = modeOf(base)
  const flags = await fromPeople('--allow', request.allow ?? [])
  const config = await fromPeople('security.domains.allow', domains.allow)
  const secrets = await fromPeople('a secret', (request.secretHosts ?? []).map(withWebPort))
  return {
    flags,
    // Under a profile that a flag named, a list of the config may only take the place of everything public.
    config: base.fixed ? (domains.allowlistOnly ? config.filter(isWithinPublic) : []) : config,
    mode: base.mode === undefined ? [] : canonicalRules(allowedDomains(base.mode)),
    always: canonicalRules(mode?.domains.always ?? []),
    secrets,
  }
}

const modeOf = ({ mode }: NetworkBase): Compatibility | undefined => (mode === undefined ? undefined : COMPATIBILITY[mode])

/** A secret goes to HTTPS unless it is bound to another port. */
function withWebPort(host: string): string {
  return /:\d+$/.test(host) ? host : `${host}:443`
}

function allowedRules(base: NetworkBase, request: RunRequest, config: ResolvedConfig, written: Written): Allowed {
  const { flags, always, secrets } = written
  switch (request.network) {
    case 'none':
      if (flags.length > 0)
        throw new AppError('invalid_argument', '--allow gives a network and --no-network takes it away; leave one of them out')
      return { rules: [], source: 'flag --no-network' }
    case 'public':
    case 'learn':
      return {
        rules: [PUBLIC_RULE, ...flags, ...written.config, ...secrets],
        source: `flag --network ${request.network}`,
        asked: `--network ${request.network}`,
      }
    case 'listed': {
      const rules = [...flags, ...(config.domains.allowlistOnly ? always : written.mode), ...written.config, ...secrets]
      return { rules, source: 'flag --network listed', asked: '--network listed' }
    }
    default:
      return flags.length > 0
        ? { rules: [...flags, ...always, ...secrets], source: 'flag --allow', asked: '--allow' }
        : impliedRules(base, config, written)
  }
}

function impliedRules(base: NetworkBase, { security, domains }: ResolvedConfig, { mode, always, config, secrets }: Written): Allowed {
  const rank = (level: NetworkLevel): number => NETWORK_LEVELS.indexOf(level)
  const said = security.network === undefined ? undefined : security.network ? 'public' : 'none'
  const counts = said !== undefined && !(base.fixed && rank(said) > rank(base.implied.value))
  const { value, source } = counts ? { value: said, source: 'config security.network' } : base.implied
  if (value === 'none' && counts) return { rules: [], source }
  const own = value === 'listed' ? (domains.allowlistOnly ? always : mode) : value === 'public' && domains.allowlistOnly ? always : []
  if (value === 'public' && !domains.allowlistOnly) {
    return secrets.length > 0 ? { rules: [...config, ...secrets], source: 'hosts of secrets' } : { rules: [PUBLIC_RULE, ...config], source }
  }
  // Where a flag names a profile without network, no list of a file gives one back.
  const listed = value === 'none' && base.fixed ? [] : config
  const decider = listed.length > 0 || (value === 'public' && domains.allowlistOnly) ? 'config security.domains' : source
  return { rules: [...own, ...listed, ...secrets], source: own.length > 0 ? source : decider }
}

/** Refuses what was asked for by name beyond the floor, and narrows what is implied. Errors: `policy_denied`. */
function underMinNetwork(
  { rules, source, asked }: Allowed,
  widest: NetworkLevel,
): { readonly rules: readonly string[]; readonly source: string } {
  const kept = widest === 'public' ? rules : widest === 'none' ? [] : rules.filter((rule) => rule !== PUBLIC_RULE)
  if (kept.length === rules.length) return { rules, source }
  if (asked === undefined) return { rules: kept, source: 'config security.min_network' }
  const level = rules.includes(PUBLIC_RULE) ? 'public' : 'listed'
  throw new AppError('policy_denied', `${asked} asks for "${level}", but min_network = "${widest}" is the widest network allowed here`)
}

async function fromPeople(source: string, rules: readonly string[]): Promise<readonly string[]> {
  const canonical = inSource(source, rules)
  try {
    await refuseOverBroad(canonical)
  } catch (error) {
    throw located(error, source)
  }
  return canonical
}

function inSource(source: string, rules: readonly string[]): readonly string[] {
  try {
    return canonicalRules(rules)
  } catch (error) {
    throw located(error, source)
  }
}

/** A flag is a wrong argument, a file is a wrong file. */
function located(error: unknown, source: string): unknown {
  if (!isAppError(error, 'invalid_argument')) return error
  const code = source.startsWith('security.') ? 'config_invalid' : 'invalid_argument'
  return new AppError(code, `${source}: ${error.message}`, { cause: error, fix: error.fix })
}
