import { describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LlmSettings } from '../../contract/llm.ts'
import { loadPrices } from '../../egress/llm/price-file.ts'
import { llmOf, mergeLlm } from './llm-keys.ts'
import { parseConfig } from './parse.ts'

const page = readFileSync(join(import.meta.dir, '../../../docs/llm.md'), 'utf8')
const examples = [...page.matchAll(/```toml\n([^]*?)```/g)].map(([, text]) => text!)
const of = (text: string): LlmSettings => llmOf(parseConfig(text, 'file').file, 'file')

describe('[llm] and [llm_keys]', () => {
  test('of several files add up', () => {
    const user = of('llm_keys = { openai = "A" }\n[llm]\nmeter = true\nbudget = { max_tokens = 5 }\nhosts = { "A.example." = "openai" }')
    const project = of('llm_keys = { openai = "B", "x.example" = "C" }\n[llm.budget]\nmax_tokens = 9\n[llm.global_budget]\nmax_usd = 1.5')
    expect(mergeLlm([user, of(''), project])).toEqual({
      meter: true,
      budgets: [{ max_tokens: 5 }, { max_tokens: 9 }],
      globalBudgets: [{ max_usd: 1.5 }],
      hosts: { 'a.example': 'openai' },
      keys: { openai: 'B', 'x.example': 'C' },
    })
  })

  test('are refused with the key that is wrong', () => {
    const bad: readonly [string, RegExp][] = [
      ['[llm.budget]\nmax_usd = -1', /llm\.budget\.max_usd is -1/],
      ['[llm.budget]\nmax_usd = nan', /max_usd/],
      ['[llm.global_budget]\nwarn_at = 2', /llm\.global_budget\.warn_at is 2/],
      ['[llm.budget]\nmax_tokens = -1', /max_tokens/],
      ['[llm.budget]\nperiod = "week"', /period/],
      ['[llm.hosts]\n"10.0.0.1" = "openai"', /"10\.0\.0\.1" is no host name/],
      ['[llm.hosts]\n"a.example" = "other"', /hosts/],
      ['[llm_keys]\n"a b" = "K"', /neither a provider nor a host/],
      ['[llm_keys]\nopenai = "a b"', /llm_keys\.openai: the name of the key/],
    ]
    for (const [text, message] of bad) expect(() => of(text)).toThrow(message)
  })
})

describe('the examples of docs/llm.md', () => {
  test('are config files without unknown keys', () => {
    const configs = examples.filter((text) => !text.includes('[[models]]'))
    expect(configs).toHaveLength(2)
    for (const text of configs) expect(parseConfig(text, 'example').warnings).toEqual([])
    expect(of(configs[0]!)).toMatchObject({
      meter: true,
      budgets: [{ max_tokens: 2_000_000 }],
      globalBudgets: [{ max_usd: 20, period: 'day' }],
    })
    expect(of(configs[1]!).keys).toEqual({ openai: 'TEAM_OPENAI_KEY' })
  })

  test('are price files', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ak-prices-'))
    writeFileSync(
      join(folder, 'llm-prices.toml'),
      examples.find((text) => text.includes('[[models]]'))!,
    )
    const table = await loadPrices(folder)
    rmSync(folder, { recursive: true })
    expect(table.of('llm.internal.example', 'llm.internal.example', 'ours-1')?.cacheWrite).toBe(0.25)
  })
})
