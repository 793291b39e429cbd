import type { ResolvedConfig } from '../../src/contract/config.ts'

/** The configuration of somebody who has no config file, with `parts` of it changed. */
export function resolvedConfig(parts: Partial<ResolvedConfig> = {}): ResolvedConfig {
  return {
    sources: [],
    warnings: [],
    inertKeys: [],
    laterKeys: [],
    security: {},
    commands: [],
    minIsolation: 'process',
    minNetwork: 'public',
    environment: {},
    ...parts,
  }
}
