export type { FakeDriver, FakeDriverOptions } from './driver.ts'
export { createFakeDriver } from './driver.ts'
