import { afterAll } from 'bun:test'
import { skipSandboxes as skip } from '../../src/drivers/namespace/conformance.ts'
import { createKeepingNamespaceDriver } from '../../src/drivers/namespace/index.ts'
import { makeSandboxPlace } from './sandbox-place.ts'
import { runSandboxSuite } from './sandbox-suite.ts'

const { dataDir, runtimeDir, helperPath, leftovers, remove } = makeSandboxPlace()
afterAll(remove)

await runSandboxSuite(
  'namespace',
  () =>
    createKeepingNamespaceDriver(
      {
        dataDir,
        helperPath,
        home: dataDir,
        uid: process.getuid?.() ?? 0,
        arch: process.arch === 'arm64' ? 'arm64' : 'x64',
        bwrapPaths: ['/usr/bin/bwrap', '/usr/local/bin/bwrap'],
      },
      { runtimeDir, version: '0.0.0' },
    ),
  { skip, leftovers },
)
