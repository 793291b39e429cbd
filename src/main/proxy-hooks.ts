import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ResolvedConfig } from '../contract/config.ts'
import type { AuditSink } from '../contract/events.ts'
import type { ProxyHookOperations } from '../contract/proxy-hooks.ts'
import type { ProxyHooks } from '../egress/hooks/proxy-hooks.ts'
import type { HooksDeps } from '../engine/network/for-run.ts'
import type { Paths } from './paths.ts'

/** Registered hooks, beside the vault: the folder is this user's alone. */
const registeredPath = (paths: Paths): string => join(paths.dataDir, 'secrets/proxy_hooks.json')

/** Errors: `config_invalid`, `vault_unsafe`. */
export async function openHooks(
  paths: Paths,
  audit: AuditSink,
  config: Pick<ResolvedConfig, 'hooks' | 'extraCa'>,
  log: (text: string) => void,
): Promise<ProxyHooks> {
  const [{ ProxyHooks }, { HookFile }, { trustedAuthorities }] = await Promise.all([
    import('../egress/hooks/proxy-hooks.ts'),
    import('../egress/hooks/hook-file.ts'),
    import('../egress/tls/trusted.ts'),
  ])
  return new ProxyHooks({
    configured: config.hooks ?? [],
    file: new HookFile(registeredPath(paths)),
    dataDir: paths.dataDir,
    audit,
    trusted: () => trustedAuthorities(config.extraCa),
    now: () => new Date(),
    log,
  })
}

/** Hooks of single runs. Most users have none, and nothing is loaded then. */
export function hooksForRuns(paths: Paths, audit: AuditSink): HooksDeps {
  return {
    mayMatter: (config) => (config.hooks ?? []).length > 0 || existsSync(registeredPath(paths)),
    open: (config, log) => openHooks(paths, audit, config, log),
  }
}

/** Hooks as doors see them. `gateways`: how many are open now. */
export function hookOperations(hooks: () => Promise<ProxyHooks>, gateways: () => number): ProxyHookOperations {
  return {
    list: async () => (await hooks()).list(),
    add: async (hook) => {
      await (await hooks()).add(hook)
      return gateways()
    },
    remove: async (name) => (await hooks()).remove(name),
  }
}
