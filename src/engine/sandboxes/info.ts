import { formatPublishedPort } from '../../contract/published-port.ts'
import type { SandboxInfo } from '../../contract/sandboxes.ts'
import type { SecretBinding } from '../../contract/secrets.ts'
import type { SandboxRecord } from '../../store/sandboxes/store.ts'
import { handleOf, savedOf } from './saved.ts'

const MIB = 1024 ** 2

/** A sandbox as doors show it: nothing empty, no secret, no variable's value. */
export function infoOf(
  record: SandboxRecord,
  extra: Pick<SandboxInfo, 'timings_ms' | 'warnings'> & { readonly isolation: string },
): SandboxInfo {
  const { spec } = savedOf(record)
  const ports = portsOf(record)
  const { permissions } = spec
  return {
    name: record.name,
    uuid: record.id,
    status: record.state,
    ...given('failure', record.failure),
    backend: record.backend,
    isolation: extra.isolation,
    profile: permissions.profile,
    network: permissions.network,
    ...(permissions.network === 'none' ? {} : { network_rules: permissions.networkRules }),
    ...given('egress', handleOf(record)?.egress),
    image: spec.image,
    ...given('vcpus', permissions.cpus),
    memory_mb: Math.round(permissions.memoryBytes / MIB),
    workspace: spec.workspace === undefined ? 'none' : 'copy',
    ...given('project', record.project),
    ...given('agent', record.agent),
    ...(ports.length === 0 ? {} : { ports }),
    ...secretsOf(savedOf(record).network?.secrets ?? []),
    ...(Object.keys(record.labels).length === 0 ? {} : { labels: record.labels }),
    ...given('description', record.description),
    created_at: record.createdAt,
    ...given('started_at', record.startedAt),
    last_activity_at: record.lastActivityAt,
    ...given('expires_at', record.expiresAt),
    ...given('archived_at', record.archivedAt),
    ...given('archived_reason', record.archivedReason),
    ...given('lifecycle', record.lifecycle),
    ...(extra.timings_ms === undefined ? {} : { timings_ms: extra.timings_ms }),
    ...(extra.warnings === undefined || extra.warnings.length === 0 ? {} : { warnings: extra.warnings }),
  }
}

/** As they are while it runs, with the numbers that the host chose; as they were asked for otherwise. */
export function portsOf(record: SandboxRecord): readonly string[] {
  return record.state === 'running' ? record.ports : (savedOf(record).network?.publish.map(formatPublishedPort) ?? record.ports)
}

function secretsOf(bindings: readonly SecretBinding[]): Pick<SandboxInfo, 'placeholder_secrets' | 'secret_mappings' | 'secret_files'> {
  const sent = bindings.filter(({ how }) => how !== 'file')
  const files = [...new Set(bindings.filter(({ how, file }) => how === 'file' || file === true).map(({ name }) => name))]
  const hosts = (name: string): string => sent.flatMap((binding) => (binding.name === name ? binding.hosts : [])).join(',')
  return {
    placeholder_secrets: sent.some(({ how }) => how === 'token'),
    ...(sent.length === 0 ? {} : { secret_mappings: Object.fromEntries(sent.map(({ name }) => [name, hosts(name)])) }),
    ...(files.length === 0 ? {} : { secret_files: files }),
  }
}

/** A member that is there only when it has a value. */
function given<K extends string, V>(key: K, value: V | null | undefined): { readonly [P in K]?: V } {
  // The cast is true because a computed key of type K gives exactly this record.
  return value === null || value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: V })
}
