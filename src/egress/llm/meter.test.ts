import { describe, expect, test } from 'bun:test'
import { gzipSync } from 'node:zlib'
import { addSpend, type LlmBudget, type LlmCall, type LlmSpend, NO_SPEND } from '../../contract/llm.ts'
import { AppError } from '../../contract/errors.ts'
import { SAMPLES } from '../../../test/support/llm-samples.ts'
import type { RequestHead } from '../types.ts'
import { type BudgetWarning, Ledger, type LlmBook } from './ledger.ts'
import { createMeter, type MeterOptions } from './meter.ts'
import { PriceTable } from './price-table.ts'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
const HOST = { host: 'api.openai.com', port: 443 }
const POST: RequestHead = { method: 'POST', target: '/v1/chat/completions?key=SECRET', headers: [['content-type', 'application/json']] }
const [sample] = SAMPLES as [(typeof SAMPLES)[number]]

interface World {
  readonly budgets?: readonly LlmBudget[]
  readonly globalBudgets?: readonly LlmBudget[]
  readonly options?: Partial<MeterOptions>
  readonly book?: Partial<LlmBook>
  readonly now?: () => Date
}

/** A meter whose book is in memory: what a sandbox called `box` spent since the beginning. */
function world({ budgets = [], globalBudgets = [], options = {}, book = {}, now = () => new Date() }: World = {}) {
  const calls: LlmCall[] = []
  const warnings: BudgetWarning[] = []
  const spent: LlmBook['spent'] = ({ fromDay = '' }) =>
    calls
      .filter(({ time }) => time >= fromDay)
      .reduce<LlmSpend>((sum, call) => {
        const tokens = call.total_tokens ?? 0
        const unpriced = call.cost_usd === undefined && tokens > 0 ? 1 : 0
        return addSpend(sum, { tokens, usd: call.cost_usd ?? 0, requests: 1, bytes_out: call.bytes_out, unpriced })
      }, NO_SPEND)
  const ledger = new Ledger({
    sandbox: 'box',
    book: { spent, budget: () => undefined, ...book },
    budgets,
    globalBudgets,
    now,
    warn: (warning) => void warnings.push(warning),
  })
  const meter = createMeter({
    sandbox: 'box',
    always: false,
    hosts: {},
    keyHosts: () => false,
    orgSecrets: new Set(['ORG']),
    prices: new PriceTable(),
    ledger,
    onCall: (call) => void calls.push(call),
    now,
    ...options,
  })
  const begin = (head = POST, target: { host: string; port: number; tag?: string } = HOST, secrets: readonly string[] = []) =>
    meter.begin(target, head, secrets)
  /** One whole exchange. */
  const ask = async (
    reply = bytesOf(sample.reply),
    headers: RequestHead['headers'] = [['content-type', 'application/json']],
  ): Promise<void> => {
    const before = calls.length
    const begun = begin()
    if (begun?.kind !== 'tap') throw new Error(`not let through: ${begun?.reason}`)
    begun.tap.requestBody(bytesOf(sample.request))
    begun.tap.response({ status: 200, headers })
    begun.tap.responseBody(reply)
    begun.tap.end()
    begun.tap.end()
    while (calls.length === before) await Bun.sleep(1)
  }
  return { meter, calls, warnings, ask, begin, ledger }
}

const reasonOf = (begun: ReturnType<ReturnType<typeof world>['begin']>): string =>
  begun?.kind === 'refused' ? begun.reason : 'let through'

describe('a meter', () => {
  test('asks for the TLS of model hosts only where a key, a budget or the config wants it', () => {
    expect(world().meter.opens('api.openai.com')).toBe(false)
    expect(world({ options: { always: true } }).meter.opens('API.OpenAI.com')).toBe(true)
    expect(world({ options: { always: true } }).meter.opens('example.com')).toBe(false)
    expect(world({ budgets: [{ max_requests: 1 }] }).meter.opens('api.cohere.ai')).toBe(true)
    expect(world({ book: { budget: () => ({ max_usd: 1 }) } }).meter.opens('openrouter.ai')).toBe(true)
    const keyed = world({ options: { keyHosts: (host) => host === 'api.openai.com' } }).meter
    expect([keyed.opens('api.openai.com'), keyed.opens('api.anthropic.com')]).toEqual([true, false])
    const custom = world({ options: { always: true, hosts: { 'llm.internal.example': 'openai' } } }).meter
    expect(custom.opens('llm.internal.example')).toBe(true)
  })

  test('tells of a call: model, tokens, cost, whose key; and no query', async () => {
    const { calls, begin } = world({ options: { session: 's1' } })
    const begun = begin(POST, { ...HOST, tag: 'exec-1' }, ['ORG'])
    if (begun?.kind !== 'tap') throw new Error('refused')
    begun.tap.requestBody(bytesOf(sample.request))
    begun.tap.response({
      status: 200,
      headers: [
        ['Content-Type', 'application/json'],
        ['Content-Encoding', 'gzip'],
      ],
    })
    begun.tap.responseBody(gzipSync(sample.reply))
    begun.tap.end()
    while (calls.length === 0) await Bun.sleep(1)
    const [{ time, latency_ms, cost_usd, ...call }] = calls as [LlmCall]
    expect(call).toEqual({
      sandbox: 'box',
      exec: 'exec-1',
      session: 's1',
      provider: 'openai',
      host: 'api.openai.com',
      method: 'POST',
      path: '/v1/chat/completions',
      model: 'gpt-4o',
      streaming: false,
      status: 200,
      input_tokens: 19,
      output_tokens: 10,
      cached_tokens: 8,
      total_tokens: 29,
      bytes_out: sample.request.length,
      key_source: 'org',
    })
    // 11 plain, 8 cached and 10 out, at the built-in price.
    expect(cost_usd).toBeCloseTo((11 * 2.5 + 8 * 1.25 + 10 * 10) / 1e6, 12)
    expect(Date.parse(time)).toBeGreaterThan(0)
    expect(latency_ms).toBeGreaterThanOrEqual(0)
  })

  test('leaves alone what reads, and what goes elsewhere', () => {
    const { begin } = world({ options: { always: true } })
    expect(begin({ ...POST, method: 'GET' })).toBeUndefined()
    expect(begin(POST, { host: 'example.com', port: 443 })).toBeUndefined()
    expect(begin({ ...POST, target: '/v1/some/new/thing', method: 'PATCH' })?.kind).toBe('tap')
  })

  test('takes the cost that OpenRouter says, and from nobody else', async () => {
    const reply = SAMPLES.find(({ name }) => name === 'OpenRouter')!.reply
    for (const [host, cost] of [
      ['openrouter.ai', 0.95],
      ['api.groq.com', undefined],
    ] as const) {
      const { calls, begin } = world()
      const begun = begin(POST, { host, port: 443 })
      if (begun?.kind !== 'tap') throw new Error('refused')
      begun.tap.response({ status: 200, headers: [['content-type', 'application/json']] })
      begun.tap.responseBody(bytesOf(reply))
      begun.tap.end()
      while (calls.length === 0) await Bun.sleep(1)
      expect(calls[0]!.cost_usd).toBe(cost)
    }
  })

  test('tells whose key it was', async () => {
    for (const [secrets, source] of [
      [[], 'none'],
      [['MINE'], 'sandbox'],
      [['MINE', 'ORG'], 'org'],
    ] as const) {
      const { calls, begin } = world()
      const begun = begin(POST, HOST, secrets)
      if (begun?.kind === 'tap') begun.tap.end()
      while (calls.length === 0) await Bun.sleep(1)
      expect(calls[0]!.key_source).toBe(source)
    }
  })
})

describe('a budget', () => {
  test('warns once, then refuses with a reason that a model can read', async () => {
    const { ask, begin, warnings } = world({ budgets: [{ max_tokens: 60, warn_at: 0.4 }] })
    await ask()
    expect(warnings).toEqual([{ scope: 'sandbox', message: '29 tokens of a budget of 60 tokens are used' }])
    await ask()
    await ask()
    expect(reasonOf(begin())).toBe('The budget of 60 tokens is used up (87 tokens used). Stop calling the model and tell the user.')
    begin()
    expect(warnings.map(({ message }) => message)).toEqual([
      '29 tokens of a budget of 60 tokens are used',
      'the budget of 60 tokens is used up: 87 tokens',
    ])
  })

  test('of requests, bytes and dollars holds as well; of all sandboxes together too', async () => {
    const limits: readonly [World, RegExp][] = [
      [{ budgets: [{ max_requests: 1 }] }, /budget of 1 requests is used up/],
      [{ budgets: [{ max_bytes_out: 10 }] }, /budget of 10 bytes sent is used up/],
      [{ budgets: [{ max_usd: 0.0001 }] }, /budget of \$0\.00010 is used up/],
      [{ globalBudgets: [{ max_requests: 1, period: 'month' }] }, /budget of 1 requests a month for all sandboxes together is used up/],
      [{ budgets: [{ max_requests: 0 }], book: {} }, /budget of 0 requests/],
    ]
    for (const [given, reason] of limits) {
      const { ask, begin } = world(given)
      if (given.budgets?.[0]?.max_requests !== 0) await ask()
      expect(reasonOf(begin())).toMatch(reason)
    }
  })

  test('counts requests under way, so that many at once do not slip through', () => {
    const { begin } = world({ budgets: [{ max_requests: 2 }] })
    expect([begin()?.kind, begin()?.kind, begin()?.kind]).toEqual(['tap', 'tap', 'refused'])
    const tokens = world({ budgets: [{ max_tokens: 1000 }] })
    const first = tokens.begin()
    if (first?.kind === 'tap') first.tap.requestBody(bytesOf(JSON.stringify({ model: 'gpt-4o', messages: ['x'.repeat(8000)] })))
    expect(tokens.begin()?.kind).toBe('refused')
  })

  test('of a day begins anew with the next', async () => {
    let at = new Date('2026-01-31T23:00:00Z')
    const { ask, begin } = world({ budgets: [{ max_requests: 1, period: 'day' }], now: () => at })
    await ask()
    expect(reasonOf(begin())).toMatch(/a day is used up/)
    at = new Date('2026-02-01T00:00:01Z')
    expect(begin()?.kind).toBe('tap')
  })

  test('in dollars does not let calls through whose price nobody knows', async () => {
    const { ask, begin } = world({ budgets: [{ max_usd: 100 }] })
    await ask(bytesOf(sample.reply.replaceAll('gpt-4o', 'unheard-of')))
    expect(reasonOf(begin())).toBe('let through')
    const unpriced = world({ budgets: [{ max_usd: 100 }], options: { hosts: { 'api.openai.com': 'openai' }, prices: new NoPrices() } })
    await unpriced.ask()
    expect(reasonOf(unpriced.begin())).toMatch(/1 calls went to models without a price.*llm-prices\.toml/)
  })

  test('of tokens or dollars refuses a WebSocket, on which nothing can be counted', () => {
    const upgrade: RequestHead = { method: 'GET', target: '/v1/realtime', headers: [['Upgrade', 'websocket']] }
    expect(reasonOf(world({ budgets: [{ max_tokens: 5 }] }).begin(upgrade))).toMatch(/WebSocket/)
    expect(world({ budgets: [{ max_requests: 5 }] }).begin(upgrade)?.kind).toBe('tap')
    expect(world().begin(upgrade)?.kind).toBe('tap')
  })

  test('that cannot be looked up refuses, rather than let everything through', () => {
    const fail = (): never => {
      throw new AppError('store_failed', 'the database is locked')
    }
    const { begin, meter } = world({ book: { spent: fail, budget: fail } })
    expect(meter.opens('api.openai.com')).toBe(true)
    expect(reasonOf(begin())).toMatch(/cannot be checked: the database is locked/)
  })
})

class NoPrices extends PriceTable {
  override of(): undefined {
    return undefined
  }
}
