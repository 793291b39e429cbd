import * as z from 'zod'
import { ERRORS } from '../contract/errors.ts'
import { LATER_ROUTES } from '../contract/later.ts'
import type { HttpBinding, Operation } from '../contract/operation.ts'
import { type HttpOperationName, OPERATIONS } from '../contract/operations.ts'
import { shapeOf } from './input.ts'
import { httpRoutes } from './router.ts'

type Json = Readonly<Record<string, unknown>>

/** Folders of the reference, by the first part of an address that says it. */
const TAGS: readonly (readonly [RegExp, string])[] = [
  [/^\/(?:run|batch)\b/, 'Run'],
  [/^\/sandboxes\/\{name\}\/exec\b/, 'Commands'],
  [/^\/sandboxes\/\{name\}\/(?:files|stat|list|mkdir|move|watch|raw|tar)\b/, 'Files'],
  [/^\/sandboxes\b/, 'Sandboxes'],
  [/^/, 'System'],
]

/** The description of the API, OpenAPI 3.1, as it is served and as `spec/openapi.json` holds it. */
export function openApiText(version: string): string {
  return `${JSON.stringify(openApi(version), null, 2)}\n`
}

export function openApi(version: string): Json {
  const schemas: Record<string, unknown> = {}
  const paths: Record<string, Record<string, unknown>> = {}
  for (const { name, http } of httpRoutes()) {
    const path = (paths[http.path] ??= {})
    path[http.method.toLowerCase()] = describe(name, http, schemas)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'agentkernel',
      version,
      license: { name: 'MIT', identifier: 'MIT' },
      description:
        'Runs commands in isolated sandboxes. Answers are `{"success": true, "data": …}` or ' +
        '`{"success": false, "error", "code", "fix"}`. Fields that a request does not have are ignored and listed in `warnings`.',
    },
    servers: [{ url: 'http://127.0.0.1:18888' }],
    security: [{ key: [] }],
    tags: [...new Set(TAGS.map(([, tag]) => tag))].map((tag) => ({ name: tag })),
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
      schemas: { ...sorted(schemas), Error: ERROR_SCHEMA },
      responses: { Error: { description: 'A failure', content: json({ $ref: '#/components/schemas/Error' }) } },
    },
    'x-not-available-yet': LATER_ROUTES.flatMap(({ methods, path, feature }) => methods.map((method) => ({ method, path, feature }))),
  }
}

const ERROR_SCHEMA = {
  type: 'object',
  required: ['success', 'error', 'code', 'fix'],
  properties: {
    success: { const: false },
    error: { type: 'string' },
    code: { type: 'string', enum: Object.keys(ERRORS) },
    fix: { type: 'string', description: 'What to do about it' },
    detail: { type: 'string' },
    exit_code: { type: 'integer', description: 'Of a command that failed' },
    output: { type: 'string', description: 'Of a command that failed' },
  },
}

function describe(name: HttpOperationName, http: HttpBinding, schemas: Record<string, unknown>): Json {
  const operation: Operation = OPERATIONS[name]
  const inPath = [...http.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '')
  const members = membersOf(operation.input, schemas)
  const inQuery = ['GET', 'DELETE'].includes(http.method) || http.bytesIn === true
  const rest = members.filter((member) => !inPath.includes(member.name))
  const parameters = [
    ...inPath.map((param) => ({
      name: param,
      in: 'path',
      required: true,
      schema: { type: 'string' },
      ...(param === 'path' ? { description: 'Path inside the sandbox; its slashes stay as they are', 'x-takes-slashes': true } : {}),
    })),
    ...(inQuery ? rest.map(queryParameter) : []),
    ...headersOf(name),
  ]
  const body = requestBody(http, inQuery ? [] : rest)
  return {
    operationId: name,
    summary: operation.summary,
    tags: [TAGS.find(([pattern]) => pattern.test(http.path))?.[1]],
    ...(http.open === true ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: body }),
    responses: { [http.reply === 'socket' ? 101 : (http.status ?? 200)]: success(operation, http, schemas), ...failures(name) },
  }
}

interface Member {
  readonly name: string
  readonly schema: Json
  readonly required: boolean
}

function membersOf(input: z.ZodType, schemas: Record<string, unknown>): Member[] {
  const names = Object.keys(shapeOf(input) ?? {})
  const whole = inlined(input)
  const properties = (whole['properties'] ?? {}) as Record<string, Json>
  const required = (whole['required'] ?? []) as readonly string[]
  keep(whole, schemas)
  return names.map((name) => ({ name, schema: referring(properties[name] ?? {}) as Json, required: required.includes(name) }))
}

/** An input's own object, whatever its name: its members are spread over path, query and body. */
function inlined(input: z.ZodType): Json {
  const whole = z.toJSONSchema(input, { io: 'input' }) as Json
  const name = typeof whole['$ref'] === 'string' ? whole['$ref'].replace('#/$defs/', '') : ''
  const defs = (whole['$defs'] ?? {}) as Record<string, Json>
  const own = defs[name]
  if (own === undefined) return whole
  const { [name]: _, ...others } = defs
  return { ...own, $defs: others }
}

function queryParameter({ name, schema, required }: Member): Json {
  const { description, ...plain } = schema
  return { name, in: 'query', required, ...(description === undefined ? {} : { description }), schema: plain }
}

function headersOf(name: HttpOperationName): Json[] {
  const header = (title: string, description: string): Json => ({ name: title, in: 'header', description, schema: { type: 'string' } })
  if (name === 'sandboxCreate') return [header('Idempotency-Key', 'The same key again gives the first answer')]
  if (name === 'events') return [header('Last-Event-ID', 'Begin after the event of this number')]
  if (name === 'rawRead') return [header('Range', 'One range of bytes')]
  return []
}

function requestBody(http: HttpBinding, members: readonly Member[]): Json | undefined {
  if (http.bytesIn === true)
    return { required: true, content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } }
  if (members.length === 0) return undefined
  const required = members.filter((member) => member.required).map(({ name }) => name)
  return {
    required: required.length > 0,
    content: json({
      type: 'object',
      properties: Object.fromEntries(members.map(({ name, schema }) => [name, schema])),
      ...(required.length === 0 ? {} : { required }),
    }),
  }
}

function success({ output }: Operation, http: HttpBinding, schemas: Record<string, unknown>): Json {
  const data = output === undefined ? undefined : schemaOf(output, schemas)
  switch (http.reply ?? 'json') {
    case 'json':
      return { description: 'Success', content: json(envelope(data ?? {})) }
    case 'document':
      return { description: 'A document', content: json({ type: 'object' }) }
    case 'events':
      return {
        description: 'Server-sent events',
        content: { 'text/event-stream': { schema: { type: 'string' }, ...(data === undefined ? {} : { 'x-event-data': data }) } },
      }
    case 'bytes':
      return { description: 'Raw bytes', content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } }
    case 'tar':
      return { description: 'A tar stream', content: { 'application/x-tar': { schema: { type: 'string', format: 'binary' } } } }
    case 'text':
      return { description: 'Text', content: { 'text/plain': { schema: { type: 'string' } } } }
    case 'html':
      return { description: 'A page', content: { 'text/html': { schema: { type: 'string' } } } }
    case 'socket':
      return { description: 'A WebSocket; see docs/http-api.md for its messages' }
  }
}

const envelope = (data: unknown): Json => ({
  type: 'object',
  required: ['success', 'data'],
  properties: { success: { const: true }, data, warnings: { type: 'array', items: { type: 'string' } } },
})

function failures(name: HttpOperationName): Json {
  const failed = ['run', 'exec'].includes(name) ? { 409: { $ref: '#/components/responses/Error', description: 'The command failed' } } : {}
  return { ...failed, default: { $ref: '#/components/responses/Error' } }
}

function schemaOf(schema: z.ZodType, schemas: Record<string, unknown>): unknown {
  const whole = z.toJSONSchema(schema, { io: 'output' }) as Json
  keep(whole, schemas)
  const { $schema: _, $defs: __, ...own } = whole
  return referring(own)
}

/** Moves named schemas where OpenAPI has them. */
function keep(whole: Json, schemas: Record<string, unknown>): void {
  for (const [name, schema] of Object.entries((whole['$defs'] ?? {}) as Json)) schemas[name] = referring(schema)
}

/** With references as OpenAPI writes them, and open to members of later releases. */
function referring(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(referring)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, member]) => {
      if (key === '$ref') return [[key, String(member).replace('#/$defs/', '#/components/schemas/')]]
      if (key === 'additionalProperties' && (member === false || isEmpty(member))) return []
      if (key === 'propertyNames') return []
      if (key === 'maximum' && member === Number.MAX_SAFE_INTEGER) return []
      if (key === 'minimum' && member === Number.MIN_SAFE_INTEGER) return []
      return [[key, referring(member)]]
    }),
  )
}

const isEmpty = (value: unknown): boolean => typeof value === 'object' && value !== null && Object.keys(value).length === 0
const json = (schema: unknown): Json => ({ 'application/json': { schema } })
const sorted = (record: Json): Json => Object.fromEntries(Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1)))
