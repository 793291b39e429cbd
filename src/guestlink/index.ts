/** The host's side of the guest protocol (`docs/guest-protocol.md`): what the engine does in a sandbox goes through here. */
export type { GuestExecStream } from './exec-stream.ts'
export { Guest } from './guest.ts'
export { GuestPool } from './guest-pool.ts'
export { type EgressPlace, GatewayConnection } from './gateway-connection.ts'
export type { GuestFlow } from './flow.ts'
export type { GuestPort, PortTarget } from './port.ts'
