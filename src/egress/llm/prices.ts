/** Dollars for a million tokens. */
export interface Price {
  readonly input: number
  readonly output: number
  /** Input that the provider had in its cache. @default input */
  readonly cached?: number
  /** Input that was written into the cache. @default input */
  readonly cacheWrite?: number
}
export interface PriceRow extends Price {
  /** Name of a provider, or a host. */
  readonly provider: string
  /** A model without the date at its end, or with `*` as its last character. */
  readonly model: string
}

/** The day for which the rows below were written. Prices change; nothing here follows them. */
export const PRICES_OF = '2025-11-01'

type Short = readonly [model: string, input: number, output: number, cached?: number, cacheWrite?: number]

const TABLE: Readonly<Record<string, readonly Short[]>> = {
  openai: [
    ['gpt-5', 1.25, 10, 0.125],
    ['gpt-5-mini', 0.25, 2, 0.025],
    ['gpt-5-nano', 0.05, 0.4, 0.005],
    ['gpt-5-codex', 1.25, 10, 0.125],
    ['gpt-4.1', 2, 8, 0.5],
    ['gpt-4.1-mini', 0.4, 1.6, 0.1],
    ['gpt-4.1-nano', 0.1, 0.4, 0.025],
    ['gpt-4o', 2.5, 10, 1.25],
    ['gpt-4o-mini', 0.15, 0.6, 0.075],
    ['gpt-4-turbo', 10, 30],
    ['gpt-3.5-turbo', 0.5, 1.5],
    ['o1', 15, 60, 7.5],
    ['o3', 2, 8, 0.5],
    ['o3-mini', 1.1, 4.4, 0.55],
    ['o4-mini', 1.1, 4.4, 0.275],
    ['text-embedding-3-small', 0.02, 0],
    ['text-embedding-3-large', 0.13, 0],
  ],
  anthropic: [
    ['claude-opus-4', 15, 75, 1.5, 18.75],
    ['claude-opus-4-0', 15, 75, 1.5, 18.75],
    ['claude-opus-4-1', 15, 75, 1.5, 18.75],
    ['claude-sonnet-4', 3, 15, 0.3, 3.75],
    ['claude-sonnet-4-0', 3, 15, 0.3, 3.75],
    ['claude-sonnet-4-5', 3, 15, 0.3, 3.75],
    ['claude-haiku-4-5', 1, 5, 0.1, 1.25],
    ['claude-3-7-sonnet', 3, 15, 0.3, 3.75],
    ['claude-3-5-sonnet', 3, 15, 0.3, 3.75],
    ['claude-3-5-haiku', 0.8, 4, 0.08, 1],
    ['claude-3-opus', 15, 75, 1.5, 18.75],
    ['claude-3-haiku', 0.25, 1.25, 0.03, 0.3],
  ],
  google: [
    ['gemini-2.5-pro', 1.25, 10, 0.125],
    ['gemini-2.5-flash', 0.3, 2.5, 0.03],
    ['gemini-2.5-flash-lite', 0.1, 0.4, 0.01],
    ['gemini-2.0-flash', 0.1, 0.4, 0.025],
  ],
  deepseek: [
    ['deepseek-chat', 0.28, 0.42, 0.028],
    ['deepseek-reasoner', 0.28, 0.42, 0.028],
  ],
  mistral: [
    ['mistral-large', 2, 6],
    ['mistral-medium', 0.4, 2],
    ['mistral-small', 0.1, 0.3],
    ['codestral', 0.3, 0.9],
  ],
  cohere: [
    ['command-a', 2.5, 10],
    ['command-r-plus', 2.5, 10],
    ['command-r', 0.15, 0.6],
    ['command-r7b', 0.0375, 0.15],
  ],
  groq: [
    ['llama-3.3-70b-versatile', 0.59, 0.79],
    ['llama-3.1-8b-instant', 0.05, 0.08],
  ],
}

export const BUILT_IN_PRICES: readonly PriceRow[] = Object.entries(TABLE).flatMap(([provider, rows]) =>
  rows.map(([model, input, output, cached, cacheWrite]) => ({
    provider,
    model,
    input,
    output,
    ...(cached === undefined ? {} : { cached }),
    ...(cacheWrite === undefined ? {} : { cacheWrite }),
  })),
)
