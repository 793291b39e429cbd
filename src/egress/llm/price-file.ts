import { join } from 'node:path'
import { AppError } from '../../contract/errors.ts'
import { isErrno } from '../../lib/errno.ts'
import { ignore } from '../../lib/ignore.ts'
import { PriceTable } from './price-table.ts'
import type { PriceRow } from './prices.ts'

/** Files of the data folder; the first that is there counts. */
export const PRICE_FILES = ['llm-prices.toml', 'llm-prices.json'] as const
const LARGEST_BYTES = 1024 ** 2
const MOST_DOLLARS = 1_000_000

/**
 * The price table with the user's rows: `models`, a list of `{provider, model, input, output, cached?, cache_write?}`, dollars for a million
 * tokens. Errors: `config_invalid` for a file that cannot be read or understood.
 */
export async function loadPrices(dataDir: string): Promise<PriceTable> {
  for (const name of PRICE_FILES) {
    const path = join(dataDir, name)
    const text = await readText(path)
    if (text !== undefined) return new PriceTable(rowsOf(path, await parsed(path, text)))
  }
  return new PriceTable()
}

async function readText(path: string): Promise<string | undefined> {
  try {
    const file = Bun.file(path)
    const bytes = await file.slice(0, LARGEST_BYTES + 1).text()
    if (bytes.length <= LARGEST_BYTES) return bytes
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw new AppError(
      'config_invalid',
      `the price file "${path}" cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      {
        cause: error,
      },
    )
  }
  throw wrong(path, `it is larger than ${LARGEST_BYTES} bytes`)
}

async function parsed(path: string, text: string): Promise<unknown> {
  try {
    return path.endsWith('.json') ? JSON.parse(text) : (await import('smol-toml')).parse(text)
  } catch (error) {
    ignore(error, 'its first line is in the message')
    throw wrong(path, error instanceof Error ? error.message.split('\n')[0]! : 'it is not readable')
  }
}

function rowsOf(path: string, content: unknown): readonly PriceRow[] {
  const models = isTable(content) ? content['models'] : undefined
  if (!Array.isArray(models)) throw wrong(path, 'it has no list `models`')
  return models.map((row: unknown, at) => rowOf(path, row, at + 1))
}

function rowOf(path: string, row: unknown, number: number): PriceRow {
  const fail = (what: string): AppError => wrong(path, `entry ${number} of \`models\` ${what}`)
  if (!isTable(row)) throw fail('is not a table')
  const text = (key: string): string => {
    const value = row[key]
    if (typeof value !== 'string' || value === '') throw fail(`needs \`${key}\`, a text`)
    return value
  }
  const dollars = (key: string): number | undefined => {
    const value = row[key]
    if (value === undefined) return undefined
    if (typeof value === 'number' && value >= 0 && value <= MOST_DOLLARS) return value
    throw fail(`has a \`${key}\` that is no price; write dollars for a million tokens`)
  }
  const [input, output, cached, cacheWrite] = [dollars('input'), dollars('output'), dollars('cached'), dollars('cache_write')]
  if (input === undefined || output === undefined) throw fail('needs `input` and `output`, dollars for a million tokens')
  return {
    provider: text('provider').toLowerCase(),
    model: text('model'),
    input,
    output,
    ...(cached === undefined ? {} : { cached }),
    ...(cacheWrite === undefined ? {} : { cacheWrite }),
  }
}

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function wrong(path: string, problem: string): AppError {
  return new AppError('config_invalid', `the price file "${path}" cannot be used: ${problem}`, {
    fix: 'Correct it, or move it away to use the built-in prices.',
  })
}
