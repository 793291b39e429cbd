import type { Driver } from '../driver.ts'
import type { KeeperOptions } from '../shared/sandbox-keeper.ts'
import { NamespaceDriver } from './driver.ts'
import type { NamespaceDriverOptions } from './machine.ts'

export type { NamespaceDriverOptions } from './machine.ts'

/** A driver that isolates with Linux namespaces through bubblewrap. */
export function createNamespaceDriver(options: NamespaceDriverOptions): Driver {
  return new NamespaceDriver(options)
}

/** The same driver with the verbs for sandboxes that stay, which single runs need not load. */
export async function createKeepingNamespaceDriver(
  options: NamespaceDriverOptions,
  keep: Pick<KeeperOptions, 'runtimeDir' | 'version' | 'restart'>,
): Promise<Driver> {
  const { createSandboxVerbs } = await import('./sandboxes/verbs.ts')
  return new NamespaceDriver(options, (machine) => createSandboxVerbs(options, keep, machine))
}
