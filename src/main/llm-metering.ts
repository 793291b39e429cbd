import { join } from 'node:path'
import type { LlmCall, LlmSettings } from '../contract/llm.ts'
import type { SecretBinding } from '../contract/secrets.ts'
import { type BudgetWarning, Ledger } from '../egress/llm/ledger.ts'
import { createMeter } from '../egress/llm/meter.ts'
import { orgBindings } from '../egress/llm/org-keys.ts'
import { loadPrices } from '../egress/llm/price-file.ts'
import type { Meter } from '../egress/types.ts'
import { SpendingBook } from '../store/llm/book.ts'
import { LlmStore } from '../store/llm/llm-store.ts'
import { orgKeyFile } from './llm-operations.ts'
import type { Paths } from './paths.ts'

/** Longest wait for replies that are still unpacked, in ms. */
const SETTLE_MS = 1000

/** Metering of one process, for all of its gateways. Load it when a sandbox has a network. */
export interface LlmMetering {
  /** The organisation's keys for a sandbox that binds `bound` itself. Errors: `config_invalid`, `vault_unsafe`. */
  orgBindings(settings: LlmSettings, bound: readonly SecretBinding[]): Promise<readonly SecretBinding[]>
  meter(options: SandboxMeterOptions): Meter
  /** Waits a moment for replies that are still looked at, writes what is not written yet, and lets the file go. End every tap before. */
  close(): Promise<void>
}

export interface SandboxMeterOptions {
  /** Its name: usage and budgets are kept under it. */
  readonly sandbox: string
  readonly session?: string
  readonly settings: LlmSettings
  /** What the sandbox binds itself. */
  readonly bound: readonly SecretBinding[]
  /** What `orgBindings` gave. */
  readonly org: readonly SecretBinding[]
  /** A limit is nearly or quite used up; once for each limit and period. */
  readonly warn?: (warning: BudgetWarning) => void
  readonly onCall?: (call: LlmCall) => void
}

/** `failed`: calls could not be written now; it is tried again. Errors: `config_invalid`, for a price file that cannot be used. */
export async function createLlmMetering(paths: Paths, failed: (error: Error) => void): Promise<LlmMetering> {
  const prices = await loadPrices(paths.dataDir)
  const now = () => new Date()
  const settling = new Set<Promise<void>>()
  const book = new SpendingBook(() => new LlmStore(join(paths.dataDir, 'llm.sqlite'), now), failed)
  return {
    orgBindings: async (settings, bound) => {
      const file = (await orgKeyFile(paths)).list()
      return orgBindings({ file, config: settings.keys, bound, hosts: settings.hosts })
    },
    meter: ({ sandbox, session, settings, bound, org, warn, onCall }) => {
      const { budgets, globalBudgets, hosts, meter: always } = settings
      const ledger = new Ledger({ sandbox, book, budgets, globalBudgets, now, ...(warn === undefined ? {} : { warn }) })
      const patterns = [...bound, ...org].flatMap((binding) => binding.hosts.map((host) => host.toLowerCase().replace(/:\d+$/, '')))
      return createMeter({
        sandbox,
        ...(session === undefined ? {} : { session }),
        always,
        hosts,
        keyHosts: (host) => patterns.some((pattern) => (pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : pattern === host)),
        orgSecrets: new Set(org.map(({ name }) => name)),
        prices,
        ledger,
        now,
        settling: (work) => {
          settling.add(work)
          void work.finally(() => settling.delete(work))
        },
        onCall: (call) => {
          book.record(call)
          onCall?.(call)
        },
      })
    },
    close: async () => {
      await Promise.race([Promise.all(settling), Bun.sleep(SETTLE_MS)])
      book.close()
    },
  }
}
