import type { Secret } from '../lib/secret.ts'

/** Formats of replies whose usage the gateway can read. */
export const LLM_FORMATS = ['openai', 'anthropic', 'google', 'cohere'] as const
export type LlmFormat = (typeof LLM_FORMATS)[number]

/** One request to a language model, as it was seen on the wire. */
export interface LlmCall {
  /** RFC 3339, UTC. */
  readonly time: string
  readonly sandbox: string
  readonly exec?: string
  readonly session?: string
  readonly provider: string
  readonly host: string
  readonly method: string
  readonly path: string
  readonly model?: string
  readonly streaming: boolean
  readonly status?: number
  readonly latency_ms?: number
  readonly input_tokens?: number
  readonly output_tokens?: number
  /** Part of the input that the provider had in its cache. */
  readonly cached_tokens?: number
  readonly total_tokens?: number
  readonly bytes_out: number
  /** Dollars, by the price table; absent where the model has no price. */
  readonly cost_usd?: number
  /** True: the reply did not say (all of) its usage, and the numbers are guessed from sizes. */
  readonly estimated?: boolean
  /** Whose key it was: the organisation's (`llm keys`), the sandbox's own binding, or none that we know. */
  readonly key_source: 'org' | 'sandbox' | 'none'
}

/** Calls of one provider and model, summed up. */
export interface LlmUsageEntry {
  readonly provider: string
  readonly model: string
  readonly request_count: number
  readonly streaming_count: number
  readonly total_input_tokens: number
  readonly total_output_tokens: number
  readonly total_cached_tokens: number
  readonly total_tokens: number
  readonly bytes_out: number
  /** Dollars of the calls that have a price; absent where none has. */
  readonly cost_usd?: number
  /** Calls that used tokens of a model without a price: `cost_usd` lacks them. */
  readonly unpriced_count: number
  /** Calls whose tokens were guessed. */
  readonly estimated_count: number
  /** RFC 3339. */
  readonly last_request: string
}

/** What usage is summed up by, besides everything. */
export const LLM_GROUPINGS = ['model', 'sandbox', 'day'] as const
export type LlmGrouping = (typeof LLM_GROUPINGS)[number]

/** One line of a report: `key` is a model, a sandbox, or a day of UTC (`2026-01-31`). */
export interface LlmUsageRow extends Omit<LlmUsageEntry, 'provider' | 'model'> {
  readonly key: string
}

/** Limits of what a sandbox, or all of them, may spend in a period. Absent = no limit. */
export interface LlmBudget {
  readonly max_tokens?: number
  readonly max_usd?: number
  readonly max_requests?: number
  readonly max_bytes_out?: number
  /** @default 'total' */
  readonly period?: 'total' | 'day' | 'month'
  /** Share of a limit from which on a warning is given, 0 … 1. @default 0.8 */
  readonly warn_at?: number
}

/** What has been spent of a budget's period. */
export interface LlmSpend {
  readonly tokens: number
  readonly usd: number
  readonly requests: number
  readonly bytes_out: number
  /** Calls that used tokens of a model without a price. */
  readonly unpriced: number
}
export const NO_SPEND: LlmSpend = { tokens: 0, usd: 0, requests: 0, bytes_out: 0, unpriced: 0 }

export function addSpend(left: LlmSpend, right: LlmSpend): LlmSpend {
  return {
    tokens: left.tokens + right.tokens,
    usd: left.usd + right.usd,
    requests: left.requests + right.requests,
    bytes_out: left.bytes_out + right.bytes_out,
    unpriced: left.unpriced + right.unpriced,
  }
}

/** First day of the period that `now` is in, `2026-01-31`, UTC; undefined: there is none. */
export function firstDay(period: LlmBudget['period'], now: Date): string | undefined {
  const day = now.toISOString().slice(0, 10)
  if (period === 'day') return day
  return period === 'month' ? `${day.slice(0, 8)}01` : undefined
}

/** A budget that was set with `llm budget set`, and how much of it is gone. */
export interface LlmBudgetState {
  /** Absent: the budget of all sandboxes together. */
  readonly sandbox?: string
  readonly budget: LlmBudget
  readonly spent: LlmSpend
}

/** `[llm]` and `[llm_keys]` of the config, merged: budgets of several files all hold. */
export interface LlmSettings {
  /** True: calls are counted also where neither a key nor a budget asks for it. */
  readonly meter: boolean
  /** For each sandbox. */
  readonly budgets: readonly LlmBudget[]
  /** For all of them together. */
  readonly globalBudgets: readonly LlmBudget[]
  /** Further hosts, with the format they speak. */
  readonly hosts: Readonly<Record<string, LlmFormat>>
  /** Domain or provider to the name of a key in the vault. */
  readonly keys: Readonly<Record<string, string>>
}
/** True when configuration wants something of metering; without that, keys and budgets that were set may still. */
export function asksForMetering({ meter, budgets, globalBudgets, hosts, keys }: LlmSettings): boolean {
  return meter || budgets.length + globalBudgets.length + Object.keys(hosts).length + Object.keys(keys).length > 0
}
export const NO_LLM_SETTINGS: LlmSettings = { meter: false, budgets: [], globalBudgets: [], hosts: {}, keys: {} }

/** Metering as doors see it. All of it works on files that processes share. Each may fail with `store_failed`. */
export interface LlmOperations {
  /** By sandbox, or of one. `since`: a duration before now, `7d`. Errors: `invalid_argument`. */
  readonly llmUsage: (input: {
    readonly sandbox?: string
    readonly since?: string
  }) => Promise<Readonly<Record<string, readonly LlmUsageEntry[]>>>
  readonly llmReport: (input: {
    readonly sandbox?: string
    readonly since?: string
    readonly by: LlmGrouping
  }) => Promise<readonly LlmUsageRow[]>
  /** Domain to the name of its key in the vault. */
  readonly llmKeys: () => Promise<Readonly<Record<string, string>>>
  /** Without `vault_key_name` it is `PROVIDER_API_KEY`. `value` goes to the vault. Errors: `invalid_argument`, those of the vault. */
  readonly llmKeySet: (input: {
    readonly provider: string
    readonly vault_key_name?: string
    readonly value?: Secret
  }) => Promise<{ readonly domain: string; readonly vault_key_name: string }>
  /** Errors: `not_found`. */
  readonly llmKeyRemove: (input: { readonly provider: string }) => Promise<{ readonly removed: string }>
  /** Those that were set, the one of all sandboxes first. */
  readonly llmBudgets: () => Promise<readonly LlmBudgetState[]>
  /** Without `sandbox`: of all of them together. Errors: `invalid_argument`. */
  readonly llmBudgetSet: (input: { readonly sandbox?: string; readonly budget: LlmBudget }) => Promise<LlmBudgetState>
  /** Errors: `not_found`. */
  readonly llmBudgetClear: (input: { readonly sandbox?: string }) => Promise<void>
}
