import { isAppError } from '../../contract/errors.ts'
import type { LlmBudget, LlmCall, LlmGrouping, LlmSpend, LlmUsageEntry, LlmUsageRow } from '../../contract/llm.ts'
import { ignore } from '../../lib/ignore.ts'
import { StoreDatabase } from '../sandboxes/database.ts'
import { LLM_MIGRATIONS } from './migrations.ts'

/** The last calls are kept one by one for this long; sums are kept for good. */
const KEPT_MS = 90 * 86_400_000
/** More than so many are not kept: a program that floods a model must not fill the disk. */
const MOST_CALLS = 500_000
/** Calls are looked through for old ones after so many new ones. */
const CLEAN_EVERY = 1000
/** Models of one sandbox and day that have a sum of their own; a program can name as many as it likes. */
const MOST_MODELS = 100
const OTHER_MODELS = '(others)'
/** The gateway writes on its own loop: it would rather write later than wait. */
const BUSY_TIMEOUT_MS = 200

type Row = Readonly<Record<string, unknown>>

/** Which calls a question is about. */
export interface UsageFilter {
  readonly sandbox?: string
  /** Only calls since then, ms since 1970. Before the last 90 days, whole days of UTC. */
  readonly sinceMs?: number
}

/**
 * Calls to language models and budgets for them, in a file that the daemon and every `run` write at the same time. Whatever fails is an
 * `AppError`: `store_failed` or `disk_full`.
 */
export class LlmStore {
  readonly #database: StoreDatabase
  readonly #now: () => Date
  #untilClean = 0

  /** `path`: `llm.sqlite`; made when there is none. */
  constructor(path: string, now: () => Date) {
    this.#database = new StoreDatabase(path, { busyTimeoutMs: BUSY_TIMEOUT_MS, migrations: LLM_MIGRATIONS })
    this.#now = now
  }

  record(calls: readonly LlmCall[]): void {
    this.#database.atomically(() => {
      for (const call of calls) {
        this.#insert(call)
        this.#addToTotals(call)
      }
    })
    this.#untilClean -= calls.length
    if (this.#untilClean > 0) return
    this.#untilClean = CLEAN_EVERY
    try {
      this.clean()
    } catch (error) {
      if (!isAppError(error)) throw error
      ignore(error, 'the calls are written, and must not be written again; the next time cleans up')
    }
  }

  /** Deletes what is too old or too much. */
  clean(): void {
    this.#database.change('DELETE FROM calls WHERE timeMs < ?', this.#now().getTime() - KEPT_MS)
    this.#database.change('DELETE FROM calls WHERE id <= (SELECT max(id) FROM calls) - ?', MOST_CALLS)
  }

  /** What was spent by a sandbox or by all, since a day or ever. */
  spent({ sandbox, fromDay }: { readonly sandbox?: string; readonly fromDay?: string }): LlmSpend {
    const { where, values } = conditions([
      ['sandbox = ?', sandbox],
      ['day >= ?', fromDay],
    ])
    const row = this.#database.one(
      `SELECT coalesce(sum(total), 0) tokens, coalesce(sum(usd), 0.0) usd, coalesce(sum(requests), 0) requests,
         coalesce(sum(bytesOut), 0) bytesOut, coalesce(sum(unpriced), 0) unpriced FROM totals ${where}`,
      ...values,
    )!
    const { tokens, usd, requests, bytesOut, unpriced } = row
    return { tokens: Number(tokens), usd: Number(usd), requests: Number(requests), bytes_out: Number(bytesOut), unpriced: Number(unpriced) }
  }

  /** Of each sandbox by provider and model, the largest first. */
  usage(filter: UsageFilter): Readonly<Record<string, readonly LlmUsageEntry[]>> {
    const rows = this.#sums('sandbox, provider, model', filter)
    const bySandbox = new Map<string, LlmUsageEntry[]>()
    for (const row of rows) {
      const entries = bySandbox.get(String(row['sandbox'])) ?? []
      bySandbox.set(String(row['sandbox']), entries)
      entries.push({ provider: String(row['provider']), model: String(row['model']), ...sumsOf(row) })
    }
    return Object.fromEntries(bySandbox)
  }

  /** Days in their order, anything else the largest first. */
  report(filter: UsageFilter, by: LlmGrouping): readonly LlmUsageRow[] {
    const rows = this.#sums(by, filter).map((row) => ({ key: String(row[by]), ...sumsOf(row) }))
    return by === 'day' ? rows.sort((left, right) => (left.key < right.key ? -1 : 1)) : rows
  }

  /** Calls one by one, the newest first; `limit` at most. */
  calls(filter: UsageFilter & { readonly limit: number }): readonly LlmCall[] {
    const { where, values } = conditions([
      ['sandbox = ?', filter.sandbox],
      ['timeMs >= ?', filter.sinceMs],
    ])
    return this.#database.all(`SELECT * FROM calls ${where} ORDER BY id DESC LIMIT ?`, ...values, filter.limit).map(callOf)
  }

  budget(sandbox = ''): LlmBudget | undefined {
    const row = this.#database.one('SELECT budget FROM budgets WHERE sandbox = ?', sandbox)
    return row === undefined ? undefined : budgetOf(row)
  }

  /** `sandbox`: absent for that of all; it comes first. */
  budgets(): readonly { readonly sandbox?: string; readonly budget: LlmBudget }[] {
    return this.#database.all('SELECT sandbox, budget FROM budgets ORDER BY sandbox').map((row) => ({
      ...(row['sandbox'] === '' ? {} : { sandbox: String(row['sandbox']) }),
      budget: budgetOf(row),
    }))
  }

  setBudget(sandbox: string | undefined, budget: LlmBudget): void {
    this.#database.change('INSERT OR REPLACE INTO budgets (sandbox, budget) VALUES (?, ?)', sandbox ?? '', JSON.stringify(budget))
  }

  /** False: there was none. */
  clearBudget(sandbox: string | undefined): boolean {
    return this.#database.change('DELETE FROM budgets WHERE sandbox = ?', sandbox ?? '') > 0
  }

  close(): void {
    this.#database.close()
  }

  #insert(call: LlmCall): void {
    this.#database.change(
      `INSERT INTO calls (timeMs, sandbox, exec, session, provider, host, method, path, model, streaming, status, latencyMs, input, output,
         cached, total, bytesOut, usd, estimated, keySource) VALUES (${Array.from({ length: 20 }, () => '?').join(', ')})`,
      Date.parse(call.time),
      call.sandbox,
      call.exec ?? null,
      call.session ?? null,
      call.provider,
      call.host,
      call.method,
      call.path,
      call.model ?? '',
      call.streaming ? 1 : 0,
      call.status ?? null,
      call.latency_ms ?? null,
      call.input_tokens ?? null,
      call.output_tokens ?? null,
      call.cached_tokens ?? null,
      call.total_tokens ?? null,
      call.bytes_out,
      call.cost_usd ?? null,
      call.estimated === true ? 1 : 0,
      call.key_source,
    )
  }

  #addToTotals(call: LlmCall): void {
    const day = call.time.slice(0, 10)
    const total = call.total_tokens ?? 0
    this.#database.change(
      `INSERT INTO totals (day, sandbox, provider, model, requests, streamed, input, output, cached, total, bytesOut, usd, priced, unpriced,
         estimated, lastMs) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET requests = requests + 1, streamed = streamed + excluded.streamed, input = input + excluded.input,
         output = output + excluded.output, cached = cached + excluded.cached, total = total + excluded.total,
         bytesOut = bytesOut + excluded.bytesOut, usd = usd + excluded.usd, priced = priced + excluded.priced,
         unpriced = unpriced + excluded.unpriced, estimated = estimated + excluded.estimated, lastMs = max(lastMs, excluded.lastMs)`,
      day,
      call.sandbox,
      call.provider,
      this.#modelOf(day, call),
      call.streaming ? 1 : 0,
      call.input_tokens ?? 0,
      call.output_tokens ?? 0,
      call.cached_tokens ?? 0,
      total,
      call.bytes_out,
      call.cost_usd ?? 0,
      call.cost_usd === undefined ? 0 : 1,
      call.cost_usd === undefined && total > 0 ? 1 : 0,
      call.estimated === true ? 1 : 0,
      Date.parse(call.time),
    )
  }

  #modelOf(day: string, { sandbox, provider, model = '' }: LlmCall): string {
    const known = this.#database.one(
      `SELECT count(*) models, coalesce(max(provider = ? AND model = ?), 0) known FROM totals WHERE day = ? AND sandbox = ?`,
      provider,
      model,
      day,
      sandbox,
    )!
    return Number(known['known']) === 1 || Number(known['models']) < MOST_MODELS ? model : OTHER_MODELS
  }

  #sums(by: string, { sandbox, sinceMs }: UsageFilter): readonly Row[] {
    const isRecent = sinceMs !== undefined && sinceMs >= this.#now().getTime() - KEPT_MS
    const day = sinceMs === undefined ? undefined : new Date(sinceMs).toISOString().slice(0, 10)
    const { where, values } = conditions([['sandbox = ?', sandbox], isRecent ? ['timeMs >= ?', sinceMs] : ['day >= ?', day]])
    const from = isRecent ? CALLS_AS_TOTALS : 'totals'
    return this.#database.all(
      `SELECT ${by}, sum(requests) requests, sum(streamed) streamed, sum(input) input, sum(output) output, sum(cached) cached,
         sum(total) total, sum(bytesOut) bytesOut, sum(usd) usd, sum(priced) priced, sum(unpriced) unpriced, sum(estimated) estimated,
         max(lastMs) lastMs
       FROM ${from} ${where} GROUP BY ${by} ORDER BY total DESC, requests DESC, ${by}`,
      ...values,
    )
  }
}

const CALLS_AS_TOTALS = `(SELECT timeMs, strftime('%Y-%m-%d', timeMs / 1000, 'unixepoch') day, sandbox, provider, model, 1 requests,
  streaming streamed, coalesce(input, 0) input, coalesce(output, 0) output, coalesce(cached, 0) cached, coalesce(total, 0) total, bytesOut,
  coalesce(usd, 0.0) usd, usd IS NOT NULL priced, usd IS NULL AND coalesce(total, 0) > 0 unpriced, estimated, timeMs lastMs FROM calls)`

function conditions(parts: readonly (readonly [sql: string, value: string | number | undefined])[]): {
  readonly where: string
  readonly values: readonly (string | number)[]
} {
  const given = parts.flatMap(([sql, value]) => (value === undefined ? [] : [{ sql, value }]))
  return {
    where: given.length === 0 ? '' : `WHERE ${given.map(({ sql }) => sql).join(' AND ')}`,
    values: given.map(({ value }) => value),
  }
}

function sumsOf(row: Row): Omit<LlmUsageRow, 'key'> {
  const number = (name: string): number => Number(row[name])
  return {
    request_count: number('requests'),
    streaming_count: number('streamed'),
    total_input_tokens: number('input'),
    total_output_tokens: number('output'),
    total_cached_tokens: number('cached'),
    total_tokens: number('total'),
    bytes_out: number('bytesOut'),
    ...(number('priced') === 0 ? {} : { cost_usd: number('usd') }),
    unpriced_count: number('unpriced'),
    estimated_count: number('estimated'),
    last_request: new Date(number('lastMs')).toISOString(),
  }
}

// Only we write the table, and it holds what `setBudget` was given.
const budgetOf = (row: Row): LlmBudget => JSON.parse(String(row['budget'])) as LlmBudget

function callOf(row: Row): LlmCall {
  // Numbers and texts by the table's own types.
  const number = (key: keyof LlmCall, value: unknown): object => (typeof value === 'number' ? { [key]: value } : {})
  const text = (key: keyof LlmCall): object => (typeof row[key] === 'string' && row[key] !== '' ? { [key]: row[key] } : {})
  return {
    time: new Date(Number(row['timeMs'])).toISOString(),
    sandbox: String(row['sandbox']),
    ...text('exec'),
    ...text('session'),
    provider: String(row['provider']),
    host: String(row['host']),
    method: String(row['method']),
    path: String(row['path']),
    ...text('model'),
    streaming: row['streaming'] === 1,
    ...number('status', row['status']),
    ...number('latency_ms', row['latencyMs']),
    ...number('input_tokens', row['input']),
    ...number('output_tokens', row['output']),
    ...number('cached_tokens', row['cached']),
    ...number('total_tokens', row['total']),
    bytes_out: Number(row['bytesOut']),
    ...number('cost_usd', row['usd']),
    ...(row['estimated'] === 1 ? { estimated: true } : {}),
    // Only we write the table.
    key_source: String(row['keySource']) as LlmCall['key_source'],
  }
}
