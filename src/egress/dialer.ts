import { parseAddress } from '../policy/network/address.ts'
import type { CompiledPolicy } from '../policy/network/types.ts'
import type { Lookups } from './lookups.ts'
import { DialError, type HostNetwork, type Target, type Upstream, type Verdict } from './types.ts'

/** Addresses that are tried, and how long each but the last may take, in ms. */
const MOST_TRIED = 6
const TRY_LIMIT_MS = 3_000

/** The only way from a name or literal to a connection: decide, look up, check each address, dial what was checked. */
export class Dialer {
  readonly #network: HostNetwork
  readonly #lookups: Lookups

  constructor(network: HostNetwork, lookups: Lookups) {
    this.#network = network
    this.#lookups = lookups
  }

  /** Throws DialError: `denied` when the rules do not allow it, with their reason. */
  async dial(target: Target, protocol: 'tcp' | 'udp', policy: CompiledPolicy | undefined, signal?: AbortSignal): Promise<Upstream> {
    const addresses = await this.#allowed(target, protocol, policy)
    let last: DialError | undefined
    for (const [index, address] of addresses.entries()) {
      if (signal?.aborted === true) break
      try {
        if (protocol === 'udp') return await this.#network.dialUdp(address, target.port)
        const isLast = index === addresses.length - 1
        return await this.#network.dialTcp(address, target.port, isLast ? signal : withLimit(signal))
      } catch (error) {
        last = error instanceof DialError ? error : new DialError('unreachable', `no way to ${address} port ${target.port}`)
      }
    }
    throw last ?? new DialError('timed_out', 'the connection was given up')
  }

  async #allowed(target: Target, protocol: 'tcp' | 'udp', policy: CompiledPolicy | undefined): Promise<readonly string[]> {
    const { host, port } = target
    const isLiteral = parseAddress(host) !== undefined
    const verdict = isLiteral ? policy?.decideAddress(host, port, protocol) : policy?.decideName(host, port, protocol)
    if (policy === undefined || verdict?.allowed !== true) throw denied(verdict)
    if (isLiteral) return [host]
    const found = await this.#lookups.resolve(host)
    const verdicts = found.map((address) => policy.addressAllowed(host, address, port, protocol))
    const allowed = found.filter((address, index) => verdicts[index]!.allowed && parseAddress(address) !== undefined)
    if (allowed.length === 0) throw denied(verdicts.find((each) => !each.allowed))
    return allowed.slice(0, MOST_TRIED)
  }
}

/** A denial of an address, with what the rules say about it. */
export class DeniedError extends DialError {
  readonly verdict: Verdict & { readonly allowed: false }
  constructor(verdict: Verdict & { readonly allowed: false }) {
    super('denied', verdict.reason)
    this.verdict = verdict
  }
}

function denied(verdict: Verdict | undefined): DeniedError {
  return new DeniedError(verdict === undefined || verdict.allowed ? { allowed: false, reason: 'no rule allows it' } : verdict)
}

function withLimit(signal: AbortSignal | undefined): AbortSignal {
  const limit = AbortSignal.timeout(TRY_LIMIT_MS)
  return signal === undefined ? limit : AbortSignal.any([signal, limit])
}
