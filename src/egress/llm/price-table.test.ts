import { afterAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadPrices } from './price-file.ts'
import { costOf, PriceTable } from './price-table.ts'
import { BUILT_IN_PRICES, PRICES_OF } from './prices.ts'
import { KNOWN_PROVIDERS } from './providers.ts'

const folder = mkdtempSync(join(tmpdir(), 'ak-prices-'))
afterAll(() => rmSync(folder, { recursive: true }))

describe('the price table', () => {
  const table = new PriceTable()
  const input = (provider: string, model: string): number | undefined => table.of(provider, '', model)?.input

  test('knows a model with and without its date, and mistakes none for another', () => {
    expect(input('openai', 'gpt-4o')).toBe(2.5)
    expect(input('openai', 'gpt-4o-2024-08-06')).toBe(2.5)
    expect(input('openai', 'gpt-4o-mini-2024-07-18')).toBe(0.15)
    expect(input('openai', 'gpt-4o-audio-preview')).toBeUndefined()
    expect(input('anthropic', 'claude-sonnet-4-5-20250929')).toBe(3)
    expect(input('mistral', 'mistral-large-latest')).toBe(2)
    expect(input('mistral', 'mistral-large-2411')).toBe(2)
    expect(input('cohere', 'command-a-03-2025')).toBe(2.5)
    expect(input('groq', 'gpt-4o')).toBeUndefined()
    expect(input('openai', '__proto__')).toBeUndefined()
  })

  test('names known providers only, each model once, and the day of its prices', () => {
    const names = KNOWN_PROVIDERS.map(({ name }) => name)
    expect(BUILT_IN_PRICES.filter(({ provider }) => !names.includes(provider))).toEqual([])
    const rows = BUILT_IN_PRICES.map(({ provider, model }) => `${provider}/${model}`)
    expect(new Set(rows).size).toBe(rows.length)
    expect(PRICES_OF).toMatch(/^\d{4}-\d{2}-\d{2}$/)
  })

  test('prices cached input, input for the cache, and what only a total counts', () => {
    const price = { input: 10, output: 100, cached: 1, cacheWrite: 12 }
    const usage = { complete: true, input: 1000, cached: 600, cacheWrite: 100, output: 10, total: 1010 }
    expect(costOf(price, usage)).toBeCloseTo((300 * 10 + 600 + 100 * 12 + 10 * 100) / 1e6, 12)
    expect(costOf(price, { ...usage, total: 1020 })).toBeCloseTo((300 * 10 + 600 + 100 * 12 + 20 * 100) / 1e6, 12)
    expect(costOf(price, { complete: true, input: 5, cached: 50, cacheWrite: 50 })).toBeCloseTo(5 / 1e6, 12)
  })
})

describe("the user's price file", () => {
  const rows = [
    { provider: 'openai', model: 'gpt-4o', input: 1, output: 2 },
    { provider: 'llm.example.com', model: 'ours-*', input: 3, output: 4, cached: 1 },
    { provider: 'llm.example.com', model: 'ours-large-*', input: 5, output: 6 },
  ]

  test('goes before the built-in rows, as TOML or JSON; the longest star wins', async () => {
    const toml = rows
      .map(
        (row) =>
          `[[models]]\n${Object.entries(row)
            .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
            .join('')}`,
      )
      .join('\n')
    for (const [name, text] of [
      ['llm-prices.json', JSON.stringify({ models: rows })],
      ['llm-prices.toml', toml],
    ] as const) {
      writeFileSync(join(folder, name), text)
      const table = await loadPrices(folder)
      expect(table.of('openai', 'api.openai.com', 'gpt-4o-2024-08-06')?.input).toBe(1)
      expect(table.of('openai', 'api.openai.com', 'gpt-4o-mini')?.input).toBe(0.15)
      expect(table.of('llm.example.com', 'llm.example.com', 'ours-small')?.input).toBe(3)
      expect(table.of('llm.example.com', 'llm.example.com', 'ours-large-1')?.input).toBe(5)
      rmSync(join(folder, name))
    }
    expect((await loadPrices(folder)).of('openai', '', 'gpt-4o')?.input).toBe(2.5)
  })

  test('that is wrong is named with what is wrong', async () => {
    const bad: readonly [string, RegExp][] = [
      ['{', /cannot be used/],
      ['[]', /no list `models`/],
      ['{"models":[1]}', /entry 1 of `models` is not a table/],
      ['{"models":[{"provider":"a","model":"b","input":1}]}', /needs `input` and `output`/],
      ['{"models":[{"provider":"a","model":"b","input":-1,"output":1}]}', /`input` that is no price/],
      ['{"models":[{"model":"b","input":1,"output":1}]}', /needs `provider`/],
      [`{"models":[]${' '.repeat(1024 ** 2)}}`, /larger than/],
    ]
    for (const [text, message] of bad) {
      writeFileSync(join(folder, 'llm-prices.json'), text)
      await expect(loadPrices(folder)).rejects.toThrow(message)
    }
  })
})
