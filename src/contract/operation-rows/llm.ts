import * as z from 'zod'
import { LLM_GROUPINGS } from '../llm.ts'
import type { Operation } from '../operation.ts'
import { LlmSinceSchema, LlmUsageEntrySchema } from '../schemas/llm.ts'

const nothing = z.object({})
const provider = z.object({ provider: z.string().min(1).max(253).describe('`openai`, `anthropic`, … or a host') })
const scope = z.object({ sandbox: z.string().exactOptional() })
const whole = z.int().min(0)
const budget = z.object({
  max_tokens: whole.exactOptional(),
  max_usd: z.number().min(0).exactOptional(),
  max_requests: whole.exactOptional(),
  max_bytes_out: whole.exactOptional(),
  period: z.enum(['total', 'day', 'month']).exactOptional(),
  warn_at: z.number().min(0).max(1).exactOptional(),
})

/** Calls to language models. */
export const LLM_ROWS = {
  llmUsage: {
    summary: 'Sum up calls to language models, by sandbox',
    input: z.object({ since: LlmSinceSchema }),
    output: z.record(z.string(), z.array(LlmUsageEntrySchema)),
    http: { method: 'GET', path: '/llm/usage' },
  },
  llmSandboxUsage: {
    summary: 'Sum up calls of a sandbox to language models',
    input: z.object({ sandbox: z.string().describe('Name of the sandbox'), since: LlmSinceSchema }),
    output: z.array(LlmUsageEntrySchema),
    http: { method: 'GET', path: '/llm/usage/{sandbox}' },
  },
  llmKeys: {
    summary: "List the organisation's keys for language models, by domain",
    input: nothing,
    output: z.record(z.string(), z.string()),
    http: { method: 'GET', path: '/llm/keys' },
  },
  llmKeySet: {
    summary: 'Say which key of the vault goes to a provider of language models',
    input: provider.extend({
      vault_key_name: z.string().min(1).max(128).exactOptional().describe('Absent = `PROVIDER_API_KEY`'),
      value: z.string().min(1).exactOptional().describe('Stored in the vault under that name'),
    }),
    output: z.object({ domain: z.string(), vault_key_name: z.string() }),
    http: { method: 'PUT', path: '/llm/keys/{provider}' },
    action: 'Create',
  },
  llmKeyRemove: {
    summary: 'Give a provider of language models no key any more; the vault keeps it',
    input: provider,
    output: z.object({ removed: z.string() }),
    http: { method: 'DELETE', path: '/llm/keys/{provider}' },
    action: 'Create',
  },
  llmReport: {
    summary: 'Sum up calls to language models, by model, sandbox or day',
    input: scope.extend({ since: LlmSinceSchema, by: z.enum(LLM_GROUPINGS) }),
  },
  llmBudgets: { summary: 'List budgets for language models', input: nothing },
  llmBudgetSet: { summary: 'Set a budget for language models', input: scope.extend({ budget }), action: 'Create' },
  llmBudgetClear: { summary: 'Take a budget for language models away', input: scope, action: 'Create' },
} as const satisfies Record<string, Operation>
