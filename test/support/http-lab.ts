import { writeFileSync } from 'node:fs'
import { createHttpEngine, type HttpEngineOptions } from '../../src/egress/http/engine.ts'
import { Gateway, type GatewayOptions } from '../../src/egress/gateway.ts'
import { hostNetwork } from '../../src/egress/host-network.ts'
import { NetworkRecorder } from '../../src/egress/network-recorder.ts'
import { Authority, createAuthority } from '../../src/egress/tls/authority.ts'
import { DialError, type HostNetwork } from '../../src/egress/types.ts'
import { compilePolicy } from '../../src/policy/network/index.ts'
import { flowDoor, type SocketFlow } from './socket-flow.ts'

/** Authorities are made once: of the sandbox, and of the servers outside. */
export const sandboxAuthority = createAuthority('lab', new Date())
export const outsideAuthority = createAuthority('outside', new Date())
const outside = new Authority(outsideAuthority)

/** Certificate and key of a server outside. */
export const certificateFor = (name: string) => outside.leaf(name)

export interface HttpLabOptions {
  readonly allow?: readonly string[]
  readonly block?: readonly string[]
  /** `name:port` as programs ask for it to the port of this machine where a server listens. */
  readonly servers: Readonly<Record<string, number>>
  readonly engine?: Partial<HttpEngineOptions>
  readonly gateway?: Partial<GatewayOptions>
}

const real = hostNetwork()

/** A gateway that opens HTTP, with doors for programs and a world of names that lead to this machine. */
export class HttpLab {
  readonly recorder = new NetworkRecorder({ sandbox: 'lab' })
  readonly gateway: Gateway
  /** `address:port` of every connection that was made. */
  readonly dialed: string[] = []
  readonly flows: SocketFlow[] = []
  readonly #doors: { close(): void }[] = []

  constructor({ allow = ['*.example.test'], block = [], servers, engine = {}, gateway = {} }: HttpLabOptions) {
    const names = new Map(Object.keys(servers).map((key, index) => [key.split(':')[0]!, `203.0.113.${index + 1}`]))
    const network: HostNetwork = {
      resolve: async (name) => {
        const address = names.get(name)
        if (address === undefined) throw new DialError('not_found', `there is no ${name}`)
        return [address]
      },
      dialTcp: (address, port, signal) => {
        this.dialed.push(`${address}:${port}`)
        const name = [...names].find(([, each]) => each === address)?.[0] ?? address
        const local = servers[`${name}:${port}`]
        if (local === undefined) throw new DialError('refused', `nothing listens at ${name}:${port}`)
        return real.dialTcp('127.0.0.1', local, signal)
      },
      dialUdp: (address, port) => real.dialUdp(address, port),
    }
    const named = [...names.values()].map((address) => `${address}/32`)
    this.gateway = new Gateway({
      policy: compilePolicy({ allow: [...allow, ...named], block }, { ownAddresses: [] }),
      network,
      record: this.recorder.record,
      opener: async (doors) =>
        createHttpEngine(doors, {
          authority: new Authority(sandboxAuthority),
          trusted: async () => [outsideAuthority.cert],
          ...(gateway.injector === undefined ? {} : { injector: gateway.injector }),
          ...(gateway.meter === undefined ? {} : { meter: gateway.meter }),
          ...engine,
        }),
      ...gateway,
    })
  }

  /** A port of this machine that leads into the gateway as if a program had connected to this name and port. */
  door(host: string, port: number, more: { readonly tag?: string } = {}): number {
    const door = flowDoor({ op: 'tcp', dst: host, port, via: 'proxy', ...more }, (flow) => {
      this.flows.push(flow)
      this.gateway.serve(flow)
    })
    this.#doors.push(door)
    return door.port
  }

  close(): void {
    for (const door of this.#doors.splice(0)) door.close()
    void this.gateway.close()
  }
}

/** Where programs find the sandbox's authority. */
export function writeAuthority(path: string): string {
  writeFileSync(path, sandboxAuthority.cert)
  return path
}
