import { memoryStore } from '../../src/store/sandboxes/memory.ts'
import { runStoreSuite } from './store-suite.ts'

runStoreSuite('in memory', () => ({ open: (clock) => memoryStore(clock.now), remove: () => undefined }))
