import type { PublishedPort } from '../../contract/network.ts'
import type { SandboxHandle } from '../../drivers/driver.ts'
import type { Flow } from '../../egress/types.ts'
import { formatPublishedPort, parsePublishedPort } from '../../contract/published-port.ts'
import { GatewayConnection, GuestPool } from '../../guestlink/index.ts'
import { ignore } from '../../lib/ignore.ts'
import type { SandboxRecord } from '../../store/sandboxes/store.ts'
import type { ConnectPort } from '../network/published-listener.ts'
import { openPorts, type OpenPorts } from '../network/published-ports.ts'
import type { WayOut } from '../network/way-out.ts'
import { savedOf } from './saved.ts'

export interface NetworksDeps {
  /** Of this program. */
  readonly version: string
  /** Where the sandbox's egress connection is; undefined: it has no network. */
  readonly egressPath: (handle: SandboxHandle) => Promise<string | undefined>
  /** Where the sandbox's shim is. */
  readonly socketPath: (handle: SandboxHandle) => Promise<string>
  /** Keeps the ports of a sandbox as they are now, as text. */
  readonly keepPorts: (id: string, ports: readonly string[]) => void
  /** The gateway of a sandbox with its rules, secrets and meter, and what is to be let go of with it. */
  readonly wayOut: (record: SandboxRecord) => Promise<{ readonly wayOut: WayOut; readonly release: () => void }>
  /** One line for the daemon's log. */
  readonly log: (text: string) => void
}

type Made = { readonly wayOut: WayOut; readonly release: () => void }

/** A gateway that is made when it is first needed; a failure is tried again. */
class Gateway {
  readonly #make: () => Promise<Made>
  #made: Promise<Made> | undefined

  constructor(make: () => Promise<Made>) {
    this.#make = make
  }

  async get(): Promise<Made> {
    this.#made ??= this.#make()
    try {
      return await this.#made
    } catch (error) {
      this.#made = undefined
      throw error
    }
  }

  /** What there is to let go of. */
  made(): Promise<Made> | undefined {
    return this.#made
  }
}

/** What this daemon keeps open for one sandbox that runs. */
interface Open {
  readonly connection: GatewayConnection | undefined
  /** Made at its first use: most sandboxes reach for nothing. */
  readonly gateway: Gateway | undefined
  readonly ports: Ports | undefined
}

/** Published ports, and the connection to the sandbox that they have for themselves: who comes from outside must not keep commands waiting. */
interface Ports extends OpenPorts {
  readonly leave: () => Promise<void>
}

/** How often and how long apart a connection that was lost is made anew, in ms, while its sandbox runs. */
const RECONNECT_PAUSES_MS = [50, 250, 1_000, 5_000]

/**
 * The networks of the sandboxes that run: each has a gateway here, which is made at its first connection. While this daemon is away
 * their networks are closed, and published ports too.
 */
export class SandboxNetworks {
  readonly #deps: NetworksDeps
  readonly #open = new Map<string, Open>()
  readonly #guests: GuestPool

  constructor(deps: NetworksDeps) {
    this.#deps = deps
    this.#guests = new GuestPool({ role: 'daemon', version: deps.version })
  }

  /**
   * Opens the way out and the published ports of a sandbox that runs; again, it changes nothing.
   * Errors: those of `openPorts`; then nothing is open.
   */
  async open(record: SandboxRecord, handle: SandboxHandle): Promise<void> {
    if (this.#open.has(record.id)) return
    this.#connectAll(record, await this.#deps.egressPath(handle), await this.#publish(record, handle))
  }

  /** The same for one that ran before this daemon came: a port that cannot be had again is said in the log, and the rest is open. */
  async reopen(record: SandboxRecord, handle: SandboxHandle): Promise<void> {
    if (this.#open.has(record.id)) return
    const path = await this.#deps.egressPath(handle)
    let ports: Ports | undefined
    try {
      ports = await this.#publish(record, handle)
    } catch (error) {
      this.#deps.keepPorts(record.id, [])
      this.#deps.log(`sandbox ${record.name}: its ports are not published: ${error instanceof Error ? error.message : String(error)}`)
    }
    this.#connectAll(record, path, ports)
  }

  #connectAll(record: SandboxRecord, path: string | undefined, ports: Ports | undefined): void {
    const opened: Open = { ports, ...(path === undefined ? { connection: undefined, gateway: undefined } : this.#connect(record, path)) }
    this.#open.set(record.id, opened)
    if (path !== undefined) void this.#follow(record, path, opened)
  }

  /** How many sandboxes have a way out now. */
  get openCount(): number {
    return [...this.#open.values()].filter(({ connection }) => connection !== undefined).length
  }

  /** The gateway of a sandbox that runs, for rules of single commands and for changes while it runs. */
  async wayOut(id: string): Promise<WayOut | undefined> {
    return (await this.#open.get(id)?.gateway?.get())?.wayOut
  }

  /** Closes what belongs to a sandbox. Safe to repeat; never rejects. */
  async close(id: string): Promise<void> {
    const open = this.#open.get(id)
    this.#open.delete(id)
    if (open === undefined) return
    await Promise.all([open.connection?.bye(), closePorts(open.ports)])
    await release(open)
  }

  /** Closes all of them: their networks are closed until another daemon comes. */
  async end(): Promise<void> {
    await Promise.all([...this.#open.keys()].map((id) => this.close(id)))
    await this.#guests.close()
  }

  /** Numbers that were chosen once are kept while nobody else has them. */
  async #publish(record: SandboxRecord, handle: SandboxHandle): Promise<Ports | undefined> {
    const wanted = savedOf(record).network?.publish ?? []
    if (wanted.length === 0) return undefined
    const path = await this.#deps.socketPath(handle)
    const connect: ConnectPort = async (target, signal) => (await this.#guests.get(path, signal)).connectPort(target, signal)
    const opened = await openPorts(wanted, connect, portsOf(record))
    this.#deps.keepPorts(record.id, opened.ports.map(formatPublishedPort))
    return { ...opened, leave: () => this.#guests.drop(path) }
  }

  #connect(record: SandboxRecord, path: string): Pick<Open, 'connection' | 'gateway'> {
    const gateway = this.#open.get(record.id)?.gateway ?? new Gateway(() => this.#deps.wayOut(record))
    const serve = async (flow: Flow): Promise<void> => {
      try {
        ;(await gateway.get()).wayOut.serve(flow)
      } catch (error) {
        this.#deps.log(`sandbox ${record.name}: its network is closed: ${error instanceof Error ? error.message : String(error)}`)
        flow.refuse('refused', 'the gateway could not be started')
      }
    }
    const connection = new GatewayConnection({ unix: path }, { version: this.#deps.version, onFlow: (flow) => void serve(flow) })
    return { connection, gateway }
  }

  /** Makes the connection anew when it is lost although the sandbox is still there. */
  async #follow(record: SandboxRecord, path: string, opened: Open): Promise<void> {
    let current = opened
    for (const pause of RECONNECT_PAUSES_MS) {
      const reason = await current.connection?.closed
      if (reason === undefined || this.#open.get(record.id) !== current) return
      await Bun.sleep(pause)
      if (this.#open.get(record.id) !== current) return
      current = { ...current, ...this.#connect(record, path) }
      this.#open.set(record.id, current)
    }
    this.#deps.log(`sandbox ${record.name}: its egress connection is lost; its network is closed until it is started again`)
  }
}

async function closePorts(ports: Ports | undefined): Promise<void> {
  await ports?.close()
  await ports?.leave()
}

/** Ports of a record, as they were last. */
function portsOf({ ports }: SandboxRecord): PublishedPort[] {
  return ports.map(parsePublishedPort).filter((port) => !('problem' in port)) as PublishedPort[]
}

async function release(open: Open): Promise<void> {
  try {
    const made = await open.gateway?.made()
    await made?.wayOut.close()
    made?.release()
  } catch (error) {
    ignore(error, 'it was never there')
  }
}
