import { AppError } from '../../contract/errors.ts'
import { SANDBOX_STATES } from '../../contract/sandboxes.ts'
import { ignore } from '../../lib/ignore.ts'
import type { DeadLetter, KeptReply, SandboxRecord, StoredEvent } from './store.ts'

/** How a field is kept in the column of its name: `object` and `array` as JSON, `?` may be NULL. */
type Kind = 'text' | 'text?' | 'state' | 'integer' | 'object' | 'object?' | 'array'
export type Shape<T> = Readonly<Record<keyof T & string, Kind>>
export type Cell = string | number | null
export type Row = Record<string, Cell>

export const SANDBOX: Shape<SandboxRecord> = {
  id: 'text',
  name: 'text',
  state: 'state',
  failure: 'text?',
  backend: 'text',
  spec: 'text',
  handle: 'text?',
  step: 'text?',
  labels: 'object',
  description: 'text?',
  agent: 'text?',
  project: 'text?',
  ports: 'array',
  environment: 'object',
  lifecycle: 'object?',
  createdAt: 'text',
  expiresAt: 'text?',
  lastActivityAt: 'text',
  startedAt: 'text?',
  archivedAt: 'text?',
  archivedReason: 'text?',
}
export const EVENT: Shape<StoredEvent> = {
  seq: 'integer',
  event: 'text',
  timestamp: 'text',
  sandbox: 'text',
  labels: 'object',
  metadata: 'object',
}
export const REPLY: Shape<KeptReply> = { requestHash: 'text', status: 'integer', body: 'text?', createdAt: 'text' }
export const LETTER: Shape<DeadLetter> = {
  id: 'integer',
  url: 'text',
  body: 'text',
  attempts: 'integer',
  error: 'text',
  failedAt: 'text',
}

const STATES: ReadonlySet<unknown> = new Set(SANDBOX_STATES)

/** The cells of those fields of `value` that it has, in the order of the shape. */
export function encode<T>(shape: Shape<T>, value: Partial<T>): Row {
  const row: Row = {}
  for (const column of Object.keys(shape) as (keyof T & string)[]) {
    const field = value[column]
    if (field !== undefined) row[column] = cellOf(shape[column], field)
  }
  return row
}

/** What `encode` was given. Errors: `store_failed` for a row that it did not make: somebody else, or a failing disk, wrote it. */
export function decode<T>(shape: Shape<T>, row: Readonly<Record<string, unknown>>): T {
  const value: Record<string, unknown> = {}
  for (const column of Object.keys(shape) as (keyof T & string)[]) value[column] = fieldOf(shape[column], row[column], column)
  // True because the shape names every field of T with its kind, and `fieldOf` lets nothing else through.
  return value as T
}

function cellOf(kind: Kind, field: unknown): Cell {
  if (field === null || typeof field === 'number') return field
  // SQLite would keep a half of a surrogate pair as bytes that are no text.
  return typeof field === 'string' && !isJson(kind) ? field.toWellFormed() : JSON.stringify(field)
}

function fieldOf(kind: Kind, cell: unknown, column: string): unknown {
  if (cell === null && kind.endsWith('?')) return null
  if (kind === 'integer') {
    if (Number.isSafeInteger(cell)) return cell
  } else if (kind === 'state') {
    if (STATES.has(cell)) return cell
  } else if (typeof cell === 'string') {
    const field = isJson(kind) ? parse(cell) : cell
    if (!isJson(kind) || (typeof field === 'object' && field !== null && Array.isArray(field) === (kind === 'array'))) return field
  }
  throw new AppError('store_failed', `the "${column}" of a record cannot be read`)
}

const isJson = (kind: Kind): boolean => kind === 'object' || kind === 'object?' || kind === 'array'

/** Undefined for what is not JSON. Most are empty, which needs no parser. */
function parse(text: string): unknown {
  if (text === '{}') return {}
  if (text === '[]') return []
  try {
    return JSON.parse(text)
  } catch (error) {
    ignore(error, 'the caller says which column it was')
    return undefined
  }
}
