import type { ResolvedConfig } from '../../src/contract/config.ts'
import { emptyConfig } from '../../src/main/config/load.ts'

/** The configuration of somebody who has no config file, with `parts` of it changed. */
export function resolvedConfig(parts: Partial<ResolvedConfig> = {}): ResolvedConfig {
  return { ...emptyConfig(), ...parts }
}
