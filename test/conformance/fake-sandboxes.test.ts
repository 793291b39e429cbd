import { afterAll } from 'bun:test'
import { skipSandboxes as skip } from '../../src/drivers/fake/conformance.ts'
import { createFakeDriver } from '../../src/drivers/fake/index.ts'
import { makeSandboxPlace } from './sandbox-place.ts'
import { runSandboxSuite } from './sandbox-suite.ts'

const { leftovers, remove, ...place } = makeSandboxPlace()
afterAll(remove)

await runSandboxSuite('fake', () => Promise.resolve(createFakeDriver({ keep: { ...place, version: '0.0.0' } })), { skip, leftovers })
