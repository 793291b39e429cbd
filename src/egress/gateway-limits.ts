/** What one sandbox may have open, and how long things may take. */
export interface GatewayLimits {
  /** @default 4,096 */
  readonly flows: number
  /** Connections that are being made. @default 128 */
  readonly dialing: number
  /** Names that are being looked up. @default 32 */
  readonly lookups: number
  /** Denied connections that wait for an answer that can be read. @default 256 */
  readonly deniedWaiting: number
  /** From the first byte of a program until it is clear what it speaks, in ms. @default 10,000 */
  readonly firstBytesMs: number
  /** How long a connection that one side has ended may be silent, in ms. @default 300,000 */
  readonly halfClosedMs: number
  /** How long datagrams to one address may be silent, in ms. @default 120,000 */
  readonly udpIdleMs: number
}

export const GATEWAY_LIMITS: GatewayLimits = {
  flows: 4_096,
  dialing: 128,
  lookups: 32,
  deniedWaiting: 256,
  firstBytesMs: 10_000,
  halfClosedMs: 300_000,
  udpIdleMs: 120_000,
}
