import { Database } from 'bun:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LlmCall } from '../../contract/llm.ts'
import { SpendingBook } from './book.ts'
import { LlmStore } from './llm-store.ts'

let folder: string
const path = (): string => join(folder, 'llm.sqlite')
const stores: LlmStore[] = []
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'ak-llm-'))))
afterEach(() => {
  for (const store of stores.splice(0)) store.close()
  rmSync(folder, { recursive: true })
})

const NOW = new Date('2026-03-10T12:00:00Z')
function open(now = () => NOW): LlmStore {
  const store = new LlmStore(path(), now)
  stores.push(store)
  return store
}
const call = (given: Partial<LlmCall> = {}): LlmCall => ({
  time: NOW.toISOString(),
  sandbox: 'box',
  provider: 'openai',
  host: 'api.openai.com',
  method: 'POST',
  path: '/v1/chat/completions',
  model: 'gpt-4o',
  streaming: false,
  status: 200,
  latency_ms: 12,
  input_tokens: 10,
  output_tokens: 5,
  total_tokens: 15,
  bytes_out: 100,
  cost_usd: 0.5,
  key_source: 'none',
  ...given,
})

describe('the books', () => {
  test('keep calls as they were, in a file for the user alone', () => {
    const calls = [call(), call({ exec: 'e', session: 's', streaming: true, estimated: true, cached_tokens: 3, key_source: 'org' })]
    open().record(calls)
    expect(open().calls({ limit: 10 })).toEqual([...calls].reverse())
    expect(statSync(path()).mode & 0o077).toBe(0)
    const bare: LlmCall = {
      time: NOW.toISOString(),
      sandbox: 'b2',
      provider: 'x',
      host: 'x',
      method: 'POST',
      path: '/',
      streaming: false,
      bytes_out: 0,
      key_source: 'none',
    }
    open().record([bare])
    expect(open().calls({ sandbox: 'b2', limit: 1 })).toEqual([bare])
  })

  test('sum up by sandbox and model, by model, by day, and since a time', () => {
    const store = open()
    store.record([
      call(),
      call({ streaming: true, time: '2026-03-09T23:59:59.000Z' }),
      call({ model: 'other', total_tokens: 100, time: '2026-03-08T00:00:00.000Z' }),
      call({ sandbox: 'two', time: '2026-03-10T11:00:00.000Z' }),
    ])
    const usage = store.usage({})
    expect(Object.keys(usage).sort()).toEqual(['box', 'two'])
    expect(
      usage['box']!.map(({ model, request_count, streaming_count, total_tokens }) => [model, request_count, streaming_count, total_tokens]),
    ).toEqual([
      ['other', 1, 0, 100],
      ['gpt-4o', 2, 1, 30],
    ])
    expect(usage['box']![1]).toMatchObject({
      provider: 'openai',
      cost_usd: 1,
      unpriced_count: 0,
      bytes_out: 200,
      last_request: NOW.toISOString(),
    })
    expect(store.report({}, 'day').map(({ key, request_count }) => [key, request_count])).toEqual([
      ['2026-03-08', 1],
      ['2026-03-09', 1],
      ['2026-03-10', 2],
    ])
    expect(store.report({ sandbox: 'two' }, 'model')).toHaveLength(1)
    const hour = { sinceMs: NOW.getTime() - 3_600_000 }
    expect(
      store
        .report(hour, 'sandbox')
        .map(({ key }) => key)
        .sort(),
    ).toEqual(['box', 'two'])
    expect(store.usage({ ...hour, sandbox: 'nobody' })).toEqual({})
  })

  test('tell money that is known from money that is not', () => {
    const { cost_usd: _none, ...unpriced } = call()
    open().record([unpriced, call({ sandbox: 'mixed' }), { ...unpriced, sandbox: 'mixed' }])
    expect(open().usage({})).toMatchObject({ mixed: [{ cost_usd: 0.5, unpriced_count: 1 }], box: [{ unpriced_count: 1 }] })
    expect(open().usage({})['box']![0]).not.toHaveProperty('cost_usd')
    expect(open().usage({ sinceMs: NOW.getTime() - 1000 })).toEqual(open().usage({}))
    expect(open().spent({ sandbox: 'mixed' })).toEqual({ tokens: 30, usd: 0.5, requests: 2, bytes_out: 200, unpriced: 1 })
    expect(open().spent({ fromDay: '2026-03-11' }).requests).toBe(0)
  })

  test('forget single calls after 90 days, and keep their sums', () => {
    open().record([call()])
    const later = open(() => new Date('2026-07-01T00:00:00Z'))
    later.record([call({ time: '2026-07-01T00:00:00.000Z' })])
    expect(later.calls({ limit: 10 })).toHaveLength(1)
    expect(later.usage({})['box']![0]!.request_count).toBe(2)
  })

  test('do not grow with the names that a program makes up', () => {
    const store = open()
    store.record(Array.from({ length: 500 }, (_, at) => call({ model: `made-up-${at}` })))
    store.record([call({ model: 'made-up-1' }), call({ model: 'new' })])
    const entries = store.usage({})['box']!
    expect(entries.length).toBeLessThanOrEqual(101)
    expect(entries.reduce((sum, { request_count }) => sum + request_count, 0)).toBe(502)
    expect(entries.find(({ model }) => model === 'made-up-1')!.request_count).toBe(2)
  })

  test('hold budgets, one for all and one for each sandbox', () => {
    const store = open()
    store.setBudget(undefined, { max_usd: 5, period: 'day' })
    store.setBudget('box', { max_tokens: 1 })
    store.setBudget('box', { max_tokens: 2 })
    expect(store.budgets()).toEqual([{ budget: { max_usd: 5, period: 'day' } }, { sandbox: 'box', budget: { max_tokens: 2 } }])
    expect([store.budget(), store.budget('box'), store.budget('none')]).toEqual([
      { max_usd: 5, period: 'day' },
      { max_tokens: 2 },
      undefined,
    ])
    expect([store.clearBudget('box'), store.clearBudget('box'), store.clearBudget(undefined)]).toEqual([true, false, true])
  })

  test('are written by several processes at once, and nothing is lost', async () => {
    const program = `
      import { LlmStore } from ${JSON.stringify(join(import.meta.dir, 'llm-store.ts'))}
      const store = new LlmStore(${JSON.stringify(path())}, () => new Date(${NOW.getTime()}))
      for (let at = 0; at < 50; at++) {
        for (;;) { try { store.record([${JSON.stringify(call())}]); break } catch { await Bun.sleep(5) } }
      }
      store.close()`
    const children = Array.from({ length: 4 }, () => Bun.spawn([process.execPath, '-e', program], { stdout: 'inherit', stderr: 'inherit' }))
    expect(await Promise.all(children.map((child) => child.exited))).toEqual([0, 0, 0, 0])
    expect(open().spent({})).toMatchObject({ requests: 200, tokens: 3000 })
    expect(open().calls({ limit: 1000 })).toHaveLength(200)
  }, 30_000)

  test('that are damaged, or of a newer version, are an error with a way out', () => {
    writeFileSync(path(), 'this is no database, and is long enough not to be empty'.repeat(20))
    expect(() => open()).toThrow(expect.objectContaining({ code: 'store_failed' }))
    rmSync(path())
    open().close()
    new Database(path()).run('PRAGMA user_version = 99')
    expect(() => open()).toThrow('made by a newer agentkernel')
  })
})

describe('a gateway’s book', () => {
  test('counts calls that cannot be written yet, and writes them when it can', async () => {
    const failures: Error[] = []
    const book = new SpendingBook(
      () => open(),
      (error) => void failures.push(error),
    )
    book.record(call())
    expect(book.spent({}).requests).toBe(1)
    const other = new Database(path())
    other.run('BEGIN IMMEDIATE')
    book.record(call())
    expect(failures).toHaveLength(1)
    expect(book.spent({ sandbox: 'box', fromDay: '2026-03-10' })).toMatchObject({ requests: 2, tokens: 30 })
    expect(book.spent({ sandbox: 'other' }).requests).toBe(0)
    other.run('ROLLBACK')
    other.close()
    book.close()
    expect(open().spent({}).requests).toBe(2)
  })

  test('tries again by itself, and fails to read where it must not guess', async () => {
    let broken = true
    const failures: Error[] = []
    const openOrFail = (): LlmStore => {
      if (broken) writeFileSync(path(), 'x'.repeat(2000))
      else rmSync(path(), { force: true })
      return open()
    }
    const book = new SpendingBook(openOrFail, (error) => void failures.push(error))
    book.record(call())
    expect(() => book.spent({})).toThrow(expect.objectContaining({ code: 'store_failed' }))
    broken = false
    const deadline = performance.now() + 5000
    while (performance.now() < deadline && !Bun.file(path()).size) await Bun.sleep(20)
    while (performance.now() < deadline && book.spent({}).requests !== 1) await Bun.sleep(20)
    await Bun.sleep(1100)
    book.close()
    expect(failures).toHaveLength(1)
    expect(open().spent({}).requests).toBe(1)
  })
})
