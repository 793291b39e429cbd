export { createFakeDriver } from './driver.ts'
export type { FakeDriver, FakeDriverOptions } from './driver.ts'
export type { SandboxFaults } from './sandboxes.ts'
