import { LLM_FORMATS } from '../llm.ts'
import { choice, flag, map, now, number, table, whole } from './config-shape.ts'

const LARGEST = Number.MAX_SAFE_INTEGER
const budget = table({
  max_tokens: now(whole(0, LARGEST)),
  max_usd: now(number),
  max_requests: now(whole(0, LARGEST)),
  max_bytes_out: now(whole(0, LARGEST)),
  period: now(choice(['total', 'day', 'month']), '"total"'),
  warn_at: now(number, '0.8'),
})

/** `[llm]`: what is counted of language models, and how much of it there may be. */
export const LLM_CONFIG = table({
  meter: now(flag, 'false'),
  budget: now(budget),
  global_budget: now(budget),
  hosts: now(map(choice(LLM_FORMATS)), '{}'),
})
