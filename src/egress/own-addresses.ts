import { networkInterfaces } from 'node:os'
import type { CompiledPolicy, PolicyFacts } from '../policy/network/types.ts'

/** How long a look at the interfaces holds, in ms: an address that comes new is the host's own from then on. */
const FRESH_MS = 1_500

/** Tells every address of the host's own interfaces; the same array as long as they are the same. */
export function ownAddresses(now: () => number = Date.now): () => readonly string[] {
  let at = Number.NEGATIVE_INFINITY
  let known: readonly string[] = []
  return () => {
    if (now() - at < FRESH_MS) return known
    at = now()
    const current = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address.replace(/%.*$/, '')))
    if (current.length !== known.length || current.some((address, index) => address !== known[index])) known = current
    return known
  }
}

/** A policy that is compiled anew whenever the host's own addresses have changed, so that no decision rests on old ones. */
export function freshPolicy(own: () => readonly string[], compile: (facts: PolicyFacts) => CompiledPolicy): CompiledPolicy {
  let basis = own()
  let compiled = compile({ ownAddresses: basis })
  const current = (): CompiledPolicy => {
    const addresses = own()
    if (addresses !== basis) {
      basis = addresses
      compiled = compile({ ownAddresses: basis })
    }
    return compiled
  }
  return {
    get level() {
      return compiled.level
    },
    get rules() {
      return compiled.rules
    },
    decideLookup: (name) => current().decideLookup(name),
    decideName: (name, port, protocol) => current().decideName(name, port, protocol),
    decideAddress: (address, port, protocol) => current().decideAddress(address, port, protocol),
    addressAllowed: (name, address, port, protocol) => current().addressAllowed(name, address, port, protocol),
    decideRequest: (request) => current().decideRequest(request),
    opens: (host, port) => current().opens(host, port),
  }
}
