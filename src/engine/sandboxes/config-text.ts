import { parse, stringify } from 'smol-toml'
import { AppError } from '../../contract/errors.ts'
import type { ProfileName } from '../../contract/config.ts'
import { PROFILE_NAMES } from '../../contract/config.ts'
import { NO_NETWORK, PUBLIC_RULE } from '../../contract/network.ts'
import { formatPublishedPort } from '../../contract/published-port.ts'
import type { CreateRequest } from '../../contract/sandboxes.ts'
import { DEFAULT_PROFILE, PROFILES } from '../../policy/profiles.ts'
import type { SandboxRecord } from '../../store/sandboxes/store.ts'
import { savedOf } from './saved.ts'

const MIB = 1024 ** 2

/** A sandbox as an `agentkernel.toml` that makes another like it. Values of variables are left out: they may be secrets. */
export function exportText(record: SandboxRecord): string {
  const { spec, network } = savedOf(record)
  const { permissions } = spec
  const { allow, block } = permissions.networkRules ?? NO_NETWORK
  const isPublic = allow.includes(PUBLIC_RULE)
  const listed = allow.filter((rule) => rule !== PUBLIC_RULE)
  const ports = (network?.publish ?? []).map(formatPublishedPort)
  const text = stringify({
    sandbox: { name: record.name },
    ...(record.agent === null ? {} : { agent: { preferred: record.agent } }),
    resources: {
      ...(permissions.cpus === undefined ? {} : { vcpus: Math.max(1, Math.round(permissions.cpus)) }),
      memory_mb: Math.round(permissions.memoryBytes / MIB),
    },
    security: {
      profile: permissions.profile,
      network: permissions.network !== 'none',
      mount_home: permissions.mountHome,
      pass_env: permissions.passEnv,
      read_only: permissions.readOnlyRoot,
      seccomp: permissions.seccomp,
      ...(allow.length === 0 ? {} : { domains: { allow: listed, block: [...block], allowlist_only: !isPublic } }),
    },
    ...(ports.length === 0 ? {} : { network: { ports } }),
  })
  const names = Object.keys(record.environment)
  const others = [
    Object.keys(record.labels).length > 0 ? 'labels' : undefined,
    record.description === null ? undefined : 'description',
    record.expiresAt === null ? undefined : 'time to live',
    record.lifecycle === null ? undefined : 'lifecycle',
    (network?.secrets ?? []).length === 0 ? undefined : 'secrets',
  ].filter((name) => name !== undefined)
  const left = [
    names.length === 0 ? '' : `# Left out, because their values may be secret: ${names.join(', ')}\n`,
    others.length === 0 ? '' : `# Left out, because a config file has no keys for them: ${others.join(', ')}\n`,
  ].join('')
  return `# Sandbox "${record.name}" of agentkernel, as it was made.\n${left}${text}\n`
}

/**
 * What such a text asks for. Keys that come with later releases are refused rather than lost: whoever imports a sandbox relies on all of it.
 * Errors: `config_invalid`.
 */
export function importRequest(text: string, as: string | undefined, backend: string | undefined): CreateRequest {
  const file = parseToml(text)
  const section = (name: string): Record<string, unknown> => asTable(file[name], name)
  const [sandbox, resources, security, agent] = [section('sandbox'), section('resources'), section('security'), section('agent')]
  const name = as ?? textOf(sandbox['name'], 'sandbox.name')
  if (name === undefined) throw new AppError('config_invalid', 'sandbox.name is missing')
  const profile = textOf(security['profile'], 'security.profile')
  const vcpus = numberOf(resources['vcpus'], 'resources.vcpus')
  const memory = numberOf(resources['memory_mb'], 'resources.memory_mb')
  const preferred = textOf(agent['preferred'], 'agent.preferred')
  refuseOverrides(security, profile === undefined ? DEFAULT_PROFILE : profileOf(profile))
  return {
    name,
    start: false,
    ...(backend === undefined ? {} : { backend }),
    ...(preferred === undefined ? {} : { agent: preferred }),
    ...(profile === undefined ? {} : { profile: profileOf(profile) }),
    ...(vcpus === undefined ? {} : { vcpus }),
    ...(memory === undefined ? {} : { memory_mb: memory }),
    ...networkOf(security, section('network')),
  }
}

/** The rules of the text, and no others: what it does not allow is not to be had by importing it. */
function networkOf(
  security: Record<string, unknown>,
  network: Record<string, unknown>,
): Pick<CreateRequest, 'network' | 'allow' | 'block' | 'ports'> {
  const domains = asTable(security['domains'], 'security.domains')
  const ports = textsOf(network['ports'], 'network.ports')
  const published = ports.length === 0 ? {} : { ports }
  if (security['network'] === false) return { network: 'none', ...published }
  const allow = textsOf(domains['allow'], 'security.domains.allow')
  const block = textsOf(domains['block'], 'security.domains.block')
  const rules = { ...(allow.length === 0 ? {} : { allow }), ...(block.length === 0 ? {} : { block }), ...published }
  if (domains['allowlist_only'] === true) return { network: 'listed', ...rules }
  return security['network'] === true ? { network: 'public', ...rules } : rules
}

function textsOf(value: unknown, key: string): string[] {
  if (value === undefined) return []
  if (Array.isArray(value) && value.every((text) => typeof text === 'string')) return value
  throw new AppError('config_invalid', `${key} is not a list of texts`)
}

/** What a profile does not give cannot be asked for in an import yet, and silently getting something else would be worse. */
function refuseOverrides(security: Record<string, unknown>, name: ProfileName): void {
  const profile = PROFILES[name]
  const given: Readonly<Record<string, unknown>> = {
    mount_home: profile.mountHome,
    pass_env: profile.passEnv,
    read_only: profile.readOnlyRoot,
    seccomp: profile.seccomp,
  }
  for (const [key, value] of Object.entries(given)) {
    if (security[key] === undefined || security[key] === value) continue
    throw new AppError(
      'not_available_yet',
      `security.${key} = ${JSON.stringify(security[key])} differs from the profile ${name}, which an import cannot do yet`,
      {
        fix: 'Leave the key out, or make the sandbox with `sandbox create --config FILE`.',
      },
    )
  }
}

function parseToml(text: string): Record<string, unknown> {
  try {
    return parse(text)
  } catch (error) {
    throw new AppError('config_invalid', `the text is not TOML: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`)
  }
}

function asTable(value: unknown, name: string): Record<string, unknown> {
  if (value === undefined) return {}
  // A TOML table is an object without a prototype of its own kind; arrays and dates are not tables.
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date))
    return value as Record<string, unknown>
  throw new AppError('config_invalid', `[${name}] is not a table`)
}
function textOf(value: unknown, key: string): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  throw new AppError('config_invalid', `${key} is not a text`)
}
function numberOf(value: unknown, key: string): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1) return value
  throw new AppError('config_invalid', `${key} is not a whole number from 1`)
}
function profileOf(text: string): ProfileName {
  const found = PROFILE_NAMES.find((name) => name === text || (text === 'custom' && name === 'moderate'))
  if (found === undefined)
    throw new AppError('config_invalid', `security.profile is "${text.slice(0, 40)}", which is none of ${PROFILE_NAMES.join(', ')}`)
  return found
}
