import type { Paths } from '../paths.ts'

/** What a daemon is told when it is started; it has no environment of its own. */
export interface DaemonOrders {
  readonly paths: Paths
  readonly runtimeDir: string
  /** False: it ends by itself when there is nothing left to do. */
  readonly stays: boolean
  /** Value of the user's `AGENTKERNEL_AUDIT`, and the name for the audit log. */
  readonly audit: boolean
  readonly user: string
  /** For tests: dies at this point of a sandbox's life. */
  readonly crashAt?: string
}

/** The hidden command that a daemon is started with, and its orders. */
export const DAEMON_COMMAND = '__daemon'

export const daemonArguments = (orders: DaemonOrders): string[] => [DAEMON_COMMAND, JSON.stringify(orders)]

/** Errors are a bug: only we write orders. */
export const parseOrders = (text: string): DaemonOrders => JSON.parse(text) as DaemonOrders
