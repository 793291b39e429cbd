import * as z from 'zod'

export const LlmUsageEntrySchema = z
  .object({
    provider: z.string(),
    model: z.string().describe('Empty where neither request nor reply named one'),
    request_count: z.int(),
    streaming_count: z.int(),
    total_input_tokens: z.int().describe('Cached ones included'),
    total_output_tokens: z.int(),
    total_cached_tokens: z.int(),
    total_tokens: z.int(),
    bytes_out: z.int().describe('Bytes of bodies of requests'),
    cost_usd: z.number().exactOptional().describe('Of the calls that have a price; absent where none has'),
    unpriced_count: z.int().describe('Calls that used tokens of a model without a price'),
    estimated_count: z.int().describe('Calls whose reply did not say its usage'),
    last_request: z.string(),
  })
  .meta({ id: 'LlmUsageEntry' })

export const LlmSinceSchema = z.string().exactOptional().describe('Only calls of this last time, such as `7d`')
