import type { SandboxProxy } from '../../contract/proxy-hooks.ts'
import type { SandboxRecord } from '../../store/sandboxes/store.ts'
import { handleOf, savedOf } from './saved.ts'

/** How a sandbox reaches the network. `fingerprint`: of its own authority; undefined where there is none. */
export function proxyOf(record: SandboxRecord, fingerprint: string | undefined): SandboxProxy {
  const { spec, network } = savedOf(record)
  const egress = spec.permissions.network === 'none' ? 'none' : handleOf(record)?.egress
  const gitRules = network?.gitRules ?? []
  return {
    sandbox: record.name,
    ...(egress === undefined ? {} : { egress: egress === 'enforced' ? ('tun' as const) : egress }),
    bound_hosts: [...new Set((network?.secrets ?? []).flatMap(({ hosts }) => hosts))].toSorted(),
    ...(fingerprint === undefined ? {} : { ca_fingerprint: fingerprint }),
    rules: spec.permissions.networkRules,
    ...(gitRules.length === 0 ? {} : { git_rules: gitRules }),
  }
}
