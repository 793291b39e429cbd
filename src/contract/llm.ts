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
  readonly cost_usd?: number
  /** RFC 3339. */
  readonly last_request: string
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
