import { skip } from '../../src/drivers/fake/conformance.ts'
import { createFakeDriver } from '../../src/drivers/fake/index.ts'
import { runDriverSuite } from './driver-suite.ts'

runDriverSuite('fake', () => createFakeDriver(), { skip })
