import type { Driver } from '../driver.ts'
import { NamespaceDriver, type NamespaceDriverOptions } from './driver.ts'

export type { NamespaceDriverOptions } from './driver.ts'

/** A driver that isolates with Linux namespaces through bubblewrap. */
export function createNamespaceDriver(options: NamespaceDriverOptions): Driver {
  return new NamespaceDriver(options)
}
