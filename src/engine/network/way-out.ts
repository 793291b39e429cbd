import type { GitRule } from '../../contract/git-rules.ts'
import type { NetworkRules } from '../../contract/network.ts'
import { Gateway } from '../../egress/gateway.ts'
import { withGitRules } from '../../egress/git/git-policy.ts'
import { freshPolicy, ownAddresses } from '../../egress/own-addresses.ts'
import type { Flow, HostNetwork, HttpDoors, HttpEngine, Injector, Meter, Record } from '../../egress/types.ts'
import { compilePolicy } from '../../policy/network/index.ts'
import type { CompiledPolicy } from '../../policy/network/index.ts'

export interface WayOutOptions {
  readonly rules: NetworkRules
  readonly gitRules?: readonly GitRule[]
  readonly network: HostNetwork
  readonly record: Record
  readonly injector?: Injector
  readonly meter?: Meter
  readonly opener?: (doors: HttpDoors) => Promise<HttpEngine>
}

/** The gateway of one sandbox, by written rules: what the engine makes, changes and closes. */
export class WayOut {
  readonly #gateway: Gateway
  readonly #own = ownAddresses()
  readonly #gitRules: readonly GitRule[]

  /** Errors: `invalid_argument` for a rule that cannot be read. */
  constructor({ rules, gitRules = [], ...options }: WayOutOptions) {
    this.#gitRules = gitRules
    this.#gateway = new Gateway({ ...options, policy: this.#compile(rules) })
  }

  serve(flow: Flow): void {
    this.#gateway.serve(flow)
  }

  /** Rules that hold from now on, for the sandbox or for the command with that tag. */
  setRules(rules: NetworkRules, tag?: string): void {
    this.#gateway.setPolicy(this.#compile(rules), tag)
  }

  removeRules(tag: string): void {
    this.#gateway.removePolicy(tag)
  }

  /** The network is closed for good. Resolves when every flow of it is told of. Safe to repeat. */
  async close(): Promise<void> {
    await this.#gateway.close()
  }

  #compile(rules: NetworkRules): CompiledPolicy {
    return freshPolicy(this.#own, (facts) => withGitRules(compilePolicy(rules, facts), this.#gitRules))
  }
}
