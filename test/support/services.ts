import { mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SandboxOperations } from '../../src/contract/sandbox-operations.ts'
import { removeTree } from '../../src/lib/remove-tree.ts'
import { DriverSet } from '../../src/main/daemon/driver-set.ts'
import { createServices } from '../../src/main/daemon/services.ts'
import { auditSink } from '../../src/main/engine.ts'

const ROOT = join(import.meta.dir, '..', '..')

/** The engine with its real store, drivers and files, in this process and in folders of its own. */
export async function startServices(options: { readonly at?: (point: string) => void } = {}): Promise<{
  readonly operations: SandboxOperations
  readonly home: string
  readonly dispose: () => Promise<void>
}> {
  const home = mkdtempSync(join(tmpdir(), 'aks-'))
  const paths = {
    home,
    dataDir: join(home, 'data'),
    configDir: join(home, 'config'),
    stateDir: join(home, 'state'),
    helperPath: join(ROOT, 'build', 'agentkernel-guest'),
  }
  const runtimeDir = join(home, 'run')
  for (const path of [paths.dataDir, runtimeDir]) mkdirSync(path, { mode: 0o700 })
  const auditPath = join(paths.stateDir, 'audit.jsonl')
  const drivers = new DriverSet(paths, { runtimeDir, version: '0.0.0' })
  const services = createServices({
    paths,
    version: '0.0.0',
    audit: auditSink(auditPath, {}),
    auditPath,
    drivers: await drivers.all(),
    driver: (name) => drivers.get(name),
    webhooks: [],
    log: () => undefined,
    env: {},
    ...options,
  })
  await services.begin(new AbortController().signal)
  return {
    operations: services.sandboxes,
    home,
    dispose: async () => {
      const { sandboxes } = services
      await Promise.all((await sandboxes.list({})).map(({ name }) => sandboxes.remove(name, new AbortController().signal)))
      await services.end()
      removeTree(home)
    },
  }
}
