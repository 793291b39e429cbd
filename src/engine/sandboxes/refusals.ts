import type { AuditSink } from '../../contract/events.ts'
import type { NetworkEvent } from '../../contract/network.ts'
import type { SandboxRecord } from '../../store/sandboxes/store.ts'
import { ignore } from '../../lib/ignore.ts'
import type { EventBus } from './events.ts'

/** The same refusal is told again after this, in ms: a program that tries and tries must not fill logs. */
const QUIET_MS = 60_000
/** Different refusals of one sandbox in that time. */
const MOST_TOLD = 50

export interface RefusalsDeps {
  readonly events: EventBus
  readonly audit: AuditSink
  readonly log: (text: string) => void
  readonly now: () => Date
}

/** Tells the world what gateways refused: an event and a record of the audit log for each target, not for each try. */
export class Refusals {
  readonly #deps: RefusalsDeps
  readonly #told = new Map<string, { since: number; readonly targets: Set<string> }>()

  constructor(deps: RefusalsDeps) {
    this.#deps = deps
  }

  tell(record: SandboxRecord, event: NetworkEvent): void {
    if (event.verdict !== 'denied') return
    const target = `${event.host ?? event.address ?? 'unknown'}${event.port === undefined ? '' : `:${event.port}`}`
    if (!this.#isNew(record.id, `${target} ${event.method ?? ''} ${event.path ?? ''}`)) return
    const { kind, host, address, port, method, path, rule, reason, hint, exec } = event
    const facts = { kind, host, address, port, method, path, rule, reason, hint, exec_id: exec }
    const known = Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined))
    try {
      this.#deps.events.emit('sandbox.network.denied', record, known)
    } catch (error) {
      ignore(error, 'said in the log below, if that fails too')
    }
    const details = `${target}: ${reason ?? 'no rule allows it'}`
    this.#deps.audit
      .append({ type: 'policy_violation', sandbox: record.name, policy: 'network', details })
      .catch((error: unknown) => this.#deps.log(`sandbox ${record.name}: a refusal is not in the audit log: ${String(error)}`))
  }

  #isNew(id: string, target: string): boolean {
    const now = this.#deps.now().getTime()
    const known = this.#told.get(id)
    if (known === undefined || now - known.since >= QUIET_MS) {
      this.#told.set(id, { since: now, targets: new Set([target]) })
      return true
    }
    if (known.targets.has(target) || known.targets.size >= MOST_TOLD) return false
    known.targets.add(target)
    return true
  }
}
