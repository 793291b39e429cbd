/** The host's side of the guest protocol (`docs/guest-protocol.md`): what the engine does in a sandbox goes through here. */
export { Guest } from './guest.ts'
export type { GuestExecStream } from './exec-stream.ts'
export { GuestPool } from './guest-pool.ts'
export type { GuestPort, PortTarget } from './port.ts'
export type { GuestFile, GuestTar, TarSummary } from './transfer.ts'
export type { GuestWatch } from './watch.ts'
