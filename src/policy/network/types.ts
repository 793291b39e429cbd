import type { NetworkLevel } from '../../contract/config.ts'
import type { NetworkRules } from '../../contract/network.ts'

export type Protocol = 'tcp' | 'udp'

/** A decision, with what a person or a model needs to understand it. */
export type Verdict =
  | {
      readonly allowed: true
      /** The rule that decided, as written. */
      readonly rule: string
    }
  | {
      readonly allowed: false
      /** One sentence without a full stop and without secrets. */
      readonly reason: string
      /** The argument that would allow it, e.g. `--allow example.com`. Absent where nothing should, and where a rule blocks it. */
      readonly hint?: string
      /** The rule that blocks it, as written. */
      readonly rule?: string
    }

/** What a decision depends on besides the rules. */
export interface PolicyFacts {
  /** Every address of the host's own interfaces, public ones too, as literals; a zone (`%eth0`) is ignored. */
  readonly ownAddresses: readonly string[]
}

/** One request whose TLS the gateway opened, or that came without TLS. */
export interface RequestFacts {
  /** The name that was looked up, or a literal. */
  readonly host: string
  readonly port: number
  readonly scheme: 'http' | 'https'
  /** As sent: methods are case-sensitive. */
  readonly method: string
  /** Origin form; a query is ignored. */
  readonly path: string
}

/**
 * The rules of one sandbox, ready for many decisions. Pure and synchronous; never throws, whatever a sandbox sends. A name may be
 * in any case and with a trailing dot. Block wins over allow everywhere.
 */
export interface CompiledPolicy {
  readonly level: NetworkLevel
  /** As compiled, canonical. */
  readonly rules: NetworkRules
  /** May this name be looked up at all, that is: is there any port on which it may be reached? */
  decideLookup(name: string): Verdict
  /** May a connection to this name and port begin? The addresses it has are checked with `addressAllowed` afterwards. */
  decideName(name: string, port: number, protocol: Protocol): Verdict
  /** May a connection go to this literal address that nobody looked up? */
  decideAddress(address: string, port: number, protocol: Protocol): Verdict
  /** May this allowed name be dialled at this literal? Asked for each address of each lookup, right before the dial. */
  addressAllowed(name: string, address: string, port: number, protocol: Protocol): Verdict
  /** May this request pass? Asked for every request of hosts that `opens` names, and for every other that the gateway sees. */
  decideRequest(request: RequestFacts): Verdict
  /** True where rules about requests exist: then the gateway must see every request, and what is no HTTP may not pass. */
  opens(host: string, port: number): boolean
}
