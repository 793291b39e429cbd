import type { SimulationReport } from '../../contract/network-reports.ts'
import type { AskedFor } from './event-line.ts'
import { targetText } from './learn.ts'
import { TargetCounts } from './target-counts.ts'
import type { CompiledPolicy, Verdict } from './types.ts'

const MOST_TARGETS = 5000

/** Decides recorded events again, by other rules. */
export class Simulation {
  readonly #policy: CompiledPolicy
  readonly #newlyDenied = new TargetCounts(MOST_TARGETS)
  readonly #newlyAllowed = new TargetCounts(MOST_TARGETS)
  #allowed = 0
  #denied = 0
  #skipped = 0

  constructor(policy: CompiledPolicy) {
    this.#policy = policy
  }

  /** Undefined is a line that could not be read. */
  add(asked: AskedFor | undefined): Verdict | undefined {
    if (asked === undefined) {
      this.#skipped++
      return undefined
    }
    const verdict = decideAgain(this.#policy, asked)
    if (verdict.allowed) this.#allowed++
    else this.#denied++
    if (verdict.allowed !== asked.passed) {
      const target = textOf(asked)
      if (verdict.allowed) this.#newlyAllowed.add({ target, rule: verdict.rule })
      else {
        const { reason, hint, rule } = verdict
        this.#newlyDenied.add({ target, reason, ...(hint === undefined ? {} : { hint }), ...(rule === undefined ? {} : { rule }) })
      }
    }
    return verdict
  }

  report(): SimulationReport {
    return {
      level: this.#policy.level,
      rules: this.#policy.rules,
      events: this.#allowed + this.#denied,
      allowed: this.#allowed,
      denied: this.#denied,
      newly_denied: this.#newlyDenied.list(),
      newly_allowed: this.#newlyAllowed.list(),
      skipped: this.#skipped,
      incomplete: this.#newlyDenied.incomplete || this.#newlyAllowed.incomplete,
    }
  }
}

/** What the policy says to a recorded event. Where an address was recorded with a name, both are decided about. */
export function decideAgain(policy: CompiledPolicy, { kind, name, address, port, protocol, method, path }: AskedFor): Verdict {
  if (name === undefined) {
    if (kind !== 'request') return policy.decideAddress(address!, port, protocol)
    return policy.decideRequest({ host: address!, port, scheme: schemeOf(port), method, path })
  }
  if (kind === 'dns') return policy.decideLookup(name)
  if (address !== undefined) {
    const dialled = policy.addressAllowed(name, address, port, protocol)
    if (!dialled.allowed) return dialled
  }
  if (kind === 'request') return policy.decideRequest({ host: name, port, scheme: schemeOf(port), method, path })
  return policy.decideName(name, port, protocol)
}

/** Events do not say the scheme; what is not on the port of plain HTTP is taken to be HTTPS. */
export function schemeOf(port: number): 'http' | 'https' {
  return port === 80 ? 'http' : 'https'
}

function textOf({ kind, name, address, port, protocol, method, path }: AskedFor): string {
  const host = name ?? address!
  if (kind === 'dns') return `look-up of ${host}`
  const target = targetText(host, port, protocol)
  return kind === 'request' ? `${method} ${target}${path}` : target
}
