export { createFakeDriver } from './driver.ts'
export type { FakeDriverOptions } from './driver.ts'
export type { SandboxFaults } from './sandboxes.ts'
