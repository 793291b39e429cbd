import { GATEWAY_ADDRESS, GATEWAY_ADDRESS_6 } from '../contract/network.ts'
import { contains, formatAddress, parseAddress, parseRange } from '../policy/network/address.ts'
import { normalName } from '../policy/network/names.ts'
import { NameTable } from './name-table.ts'
import type { FlowRequest } from './types.ts'

/** Where a flow wants to go, before any rule is asked. */
export type Wanted =
  | { readonly kind: 'dns' }
  | { readonly kind: 'name'; readonly host: string }
  | { readonly kind: 'literal'; readonly host: string }
  | { readonly kind: 'nowhere'; readonly reason: string }

const DNS_PORT = 53
/** The sandbox's own little network. */
const INSIDE = ['198.18.0.0/24', 'fd61:6b00::/64'].map((text) => parseRange(text)!)

/** Reads the destination. A synthetic address is its name; a literal stays one, and rules for names never match it. */
export function findTarget(request: FlowRequest, names: NameTable): Wanted {
  const address = parseAddress(request.dst)
  if (address === undefined) {
    const host = request.via === 'proxy' ? normalName(request.dst) : undefined
    return host === undefined ? { kind: 'nowhere', reason: 'the destination is neither an address nor a name' } : { kind: 'name', host }
  }
  const host = formatAddress(address)
  if (host === GATEWAY_ADDRESS || host === GATEWAY_ADDRESS_6) {
    return request.port === DNS_PORT ? { kind: 'dns' } : { kind: 'nowhere', reason: 'the gateway answers DNS only' }
  }
  if (NameTable.isSynthetic(address)) {
    const name = names.nameOf(host)
    return name === undefined ? { kind: 'nowhere', reason: 'no name has this address' } : { kind: 'name', host: name }
  }
  if (INSIDE.some((range) => contains(range, address))) return { kind: 'nowhere', reason: 'it is an address of the sandbox itself' }
  return { kind: 'literal', host }
}
