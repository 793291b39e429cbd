import type { NetworkRules } from '../../contract/network.ts'
import type { RunNetwork } from '../../drivers/driver.ts'
import type { Flow } from '../../egress/types.ts'
import { GatewayConnection } from '../../guestlink/gateway-connection.ts'
import { ignore } from '../../lib/ignore.ts'
import type { Trust } from './trust-files.ts'
import type { WayOut } from './way-out.ts'

export interface RunNetworkOptions {
  /** Of this program. */
  readonly version: string
  readonly rules: NetworkRules
  /** Makes the gateway, at the first connection that the command opens: most commands never do. */
  readonly wayOut: () => Promise<WayOut>
  /** How programs come to trust the sandbox's own authority; undefined: nothing will be opened. */
  readonly trust?: Trust
}

/** The network of one run, for the driver, and its end. */
export interface OpenRunNetwork {
  readonly forDriver: RunNetwork
  /** Closes the network. Resolves when nothing of it is left. Safe to repeat. */
  close(): Promise<void>
}

/** The network of a run whose gateway is in this process. */
export function openRunNetwork(options: RunNetworkOptions): OpenRunNetwork {
  let connection: GatewayConnection | undefined
  let wayOut: Promise<WayOut> | undefined
  const serve = async (flow: Flow): Promise<void> => {
    try {
      wayOut ??= options.wayOut()
      ;(await wayOut).serve(flow)
    } catch (error) {
      ignore(error, 'without a gateway there is no network')
      flow.refuse('refused', 'the gateway could not be started')
    }
  }
  return {
    forDriver: {
      files: options.trust?.files ?? [],
      env: options.trust?.env ?? {},
      attach: (fd) => {
        connection = new GatewayConnection({ fd }, { version: options.version, onFlow: (flow) => void serve(flow) })
      },
    },
    close: async () => {
      await connection?.bye()
      try {
        await (await wayOut)?.close()
      } catch (error) {
        ignore(error, 'it was never there')
      }
    },
  }
}
