import type * as z from 'zod'
import { AppError } from '../contract/errors.ts'

/** Where the members of an input come from. What the address names wins over a member of the same name in the body. */
export interface InputSources {
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  readonly body: Readonly<Record<string, unknown>>
}

/**
 * The input of an operation. Members that it does not have are left out, and named in `warnings`; null counts as absent where null
 * says nothing. Errors: `invalid_argument`.
 */
export function readInput<S extends z.ZodType>(
  schema: S,
  { params, query, body }: InputSources,
): { readonly input: z.output<S>; readonly warnings: readonly string[] } {
  const given = { ...fromQuery(schema, query), ...body, ...params }
  const parsed = schema.safeParse(withoutNulls(schema, given))
  if (!parsed.success) throw new AppError('invalid_argument', explain(parsed.error))
  const unknown = unknownMembers(schema, { ...body, ...params }, '')
  const unknownQuery = [...new Set(query.keys())].filter((name) => memberOf(schema, name) === undefined)
  return { input: parsed.data, warnings: [...unknown, ...unknownQuery].slice(0, 20).map((name) => `unknown field ignored: ${name}`) }
}

/** At most three problems, each with the member it is about. */
function explain(error: z.ZodError): string {
  const problems = error.issues.map(({ path, message }) => {
    const where = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('')
    return where === '' ? message : `${where.replace(/^\./, '')}: ${message}`
  })
  const more = problems.length > 3 ? `; and ${problems.length - 3} more` : ''
  return `${problems.slice(0, 3).join('; ')}${more}`.slice(0, 500)
}

/** Query parameters are text; the schema says which of them mean numbers, yes or no, and lists. */
function fromQuery(schema: z.ZodType, query: URLSearchParams): Record<string, unknown> {
  const names = [...new Set(query.keys())].filter((name) => memberOf(schema, name) !== undefined)
  return Object.fromEntries(
    names.map((name) => {
      const values = query.getAll(name)
      const last = values.at(-1) ?? ''
      switch (kindOf(memberOf(schema, name))) {
        case 'array':
          return [name, values]
        case 'number':
          return [name, /^-?\d+(\.\d+)?$/.test(last) ? Number(last) : last]
        case 'boolean':
          return [name, TRUTH[last.toLowerCase()] ?? last]
        default:
          return [name, last]
      }
    }),
  )
}

const TRUTH: Readonly<Record<string, boolean>> = { true: true, '1': true, yes: true, '': true, false: false, '0': false, no: false }

/** Clients in languages without "absent" send null for what they leave out. */
function withoutNulls(schema: z.ZodType, value: unknown): unknown {
  const shape = shapeOf(schema)
  if (shape === undefined || !isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) => {
      const known = Object.hasOwn(shape, name) ? shape[name] : undefined
      if (member === null && (known === undefined || !isNullable(known))) return []
      return [[name, known === undefined ? member : withoutNulls(known, member)]]
    }),
  )
}

function unknownMembers(schema: z.ZodType, value: unknown, prefix: string): string[] {
  if (Array.isArray(value)) {
    const element = elementOf(schema)
    return element === undefined ? [] : value.flatMap((item, at) => unknownMembers(element, item, `${prefix}[${at}]`))
  }
  const shape = shapeOf(schema)
  if (shape === undefined || !isRecord(value)) return []
  return Object.entries(value).flatMap(([name, member]) => {
    const path = prefix === '' ? printable(name) : `${prefix}.${printable(name)}`
    const known = Object.hasOwn(shape, name) ? shape[name] : undefined
    return known === undefined ? [path] : unknownMembers(known, member, path)
  })
}

const printable = (name: string): string => JSON.stringify(name.slice(0, 64)).slice(1, -1)
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The part of zod's definitions that is read here. */
interface Definition {
  readonly type: string
  readonly innerType?: z.ZodType
  readonly shape?: Readonly<Record<string, z.ZodType>>
  readonly element?: z.ZodType
}
// Every zod schema has a definition with a type; the other members are there where their kind has them.
const definitionOf = (schema: z.ZodType): Definition => schema.def as unknown as Definition

/** The definition below `optional`, `default` and `nullable`. */
function plainDefinitionOf(schema: z.ZodType): Definition {
  const definition = definitionOf(schema)
  return definition.innerType === undefined ? definition : plainDefinitionOf(definition.innerType)
}

function isNullable(schema: z.ZodType): boolean {
  const { type, innerType } = definitionOf(schema)
  return type === 'nullable' || (innerType !== undefined && isNullable(innerType))
}

const kindOf = (schema: z.ZodType | undefined): string | undefined => (schema === undefined ? undefined : plainDefinitionOf(schema).type)
const elementOf = (schema: z.ZodType): z.ZodType | undefined => plainDefinitionOf(schema).element

/** The members of an object schema, by name; undefined for all others. */
export function shapeOf(schema: z.ZodType): Readonly<Record<string, z.ZodType>> | undefined {
  return plainDefinitionOf(schema).shape
}

function memberOf(schema: z.ZodType, name: string): z.ZodType | undefined {
  const shape = shapeOf(schema)
  return shape !== undefined && Object.hasOwn(shape, name) ? shape[name] : undefined
}
