import type { LlmSettings } from '../../contract/llm.ts'
import type { SecretBinding } from '../../contract/secrets.ts'
import type { Meter } from '../../egress/types.ts'

/** Metering of language models, for all sandboxes of this process. */
export interface Metering {
  /** The organisation's keys, for a sandbox that binds `bound` itself. They grant no network. */
  orgBindings(settings: LlmSettings, bound: readonly SecretBinding[]): Promise<readonly SecretBinding[]>
  meter(options: MeterAsk): Meter
  /** Writes what is not written yet. */
  close(): Promise<void>
}

export interface MeterAsk {
  /** Usage and budgets are kept under this name. */
  readonly sandbox: string
  readonly settings: LlmSettings
  readonly bound: readonly SecretBinding[]
  readonly org: readonly SecretBinding[]
  /** A limit is nearly or quite used up. */
  readonly warn?: (warning: { readonly message: string }) => void
}

export interface MeteringDeps {
  /** False: neither keys nor budgets nor counts exist, so that there is nothing to meter unless the configuration asks. Cheap. */
  readonly mayMatter: () => boolean
  readonly open: () => Promise<Metering>
}
