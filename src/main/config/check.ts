import { LONGEST_VARIABLE_BYTES, VARIABLE_NAME, variableBytes } from '../../contract/schemas/config-shape.ts'
import type { Shape, TableKeys } from '../../contract/schemas/config-shape.ts'
import type { KeyPath } from './locate-key.ts'

/** One thing about a file that is not as the table says. */
export type Issue =
  | { readonly kind: 'wrong'; readonly path: KeyPath; readonly expected: string; readonly found: unknown }
  | { readonly kind: 'missing'; readonly path: KeyPath; readonly expected: string }
  /** A variable that no program can be given. `bytes` are those of name and value. */
  | { readonly kind: 'long'; readonly path: KeyPath; readonly bytes: number }
  | { readonly kind: 'unknown'; readonly path: KeyPath; readonly known: TableKeys }

/** Compares a parsed file with a shape and returns everything that differs, in the order of the file. */
export function checkShape(value: unknown, shape: Shape): Issue[] {
  const issues: Issue[] = []
  check(value, shape, [], issues)
  return issues
}

function check(value: unknown, shape: Shape, path: KeyPath, issues: Issue[]): void {
  if (!fits(value, shape)) {
    const wrongKind = shape.kind === 'whole' && typeof value !== 'number'
    issues.push({ kind: 'wrong', path, expected: wrongKind ? 'a whole number' : describeShape(shape), found: value })
    return
  }
  switch (shape.kind) {
    case 'list':
      // `fits` made sure of an array; the elements are checked one by one.
      for (const [index, item] of (value as unknown[]).entries()) check(item, shape.of, [...path, index], issues)
      break
    case 'map':
      for (const [name, item] of Object.entries(value as object)) {
        const bad = shape.name === 'variable' ? badVariable(name, item, [...path, name]) : undefined
        if (bad === undefined) check(item, shape.of, [...path, name], issues)
        else issues.push(bad)
      }
      break
    case 'table':
      checkTable(value as object, shape.keys, path, issues)
      break
    case 'either': {
      const chosen = shape.shapes.find((one) => fits(value, one))
      if (chosen !== undefined) check(value, chosen, path, issues)
      break
    }
    default:
      // The others have nothing inside that could be wrong.
      break
  }
}

function badVariable(name: string, value: unknown, path: KeyPath): Issue | undefined {
  if (!VARIABLE_NAME.test(name)) {
    return { kind: 'wrong', path, expected: 'the name of an environment variable (letters, digits and _)', found: name }
  }
  const bytes = typeof value === 'string' ? variableBytes(name, value) : 0
  return bytes > LONGEST_VARIABLE_BYTES ? { kind: 'long', path, bytes } : undefined
}

function checkTable(value: object, keys: TableKeys, path: KeyPath, issues: Issue[]): void {
  for (const [name, item] of Object.entries(value)) {
    const key = Object.hasOwn(keys, name) ? keys[name] : undefined
    if (key === undefined) issues.push({ kind: 'unknown', path: [...path, name], known: keys })
    else check(item, key.shape, [...path, name], issues)
  }
  for (const [name, key] of Object.entries(keys)) {
    if (key.required && !Object.hasOwn(value, name)) {
      issues.push({ kind: 'missing', path: [...path, name], expected: describeShape(key.shape) })
    }
  }
}

/** Whether the value itself is of the kind, without a look at what is inside. */
function fits(value: unknown, shape: Shape): boolean {
  switch (shape.kind) {
    case 'text':
      return typeof value === 'string' && !value.includes('\0')
    case 'flag':
      return typeof value === 'boolean'
    case 'whole':
      return Number.isSafeInteger(value) && Number(value) >= shape.min && Number(value) <= shape.max
    case 'number':
      return Number.isFinite(value)
    case 'choice':
      return typeof value === 'string' && shape.values.includes(value)
    case 'list':
      return Array.isArray(value)
    case 'map':
    case 'table':
    case 'open':
      // Dates are objects too.
      return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
    case 'any':
      return true
    case 'either':
      return shape.shapes.some((one) => fits(value, one))
  }
}

/** What a shape accepts, as the object of "expected …". */
export function describeShape(shape: Shape): string {
  switch (shape.kind) {
    case 'text':
      return 'text'
    case 'flag':
      return 'true or false'
    case 'whole':
      return describeWhole(shape)
    case 'number':
      return 'a number'
    case 'choice':
      return `one of ${shape.values.map((value) => `"${value}"`).join(', ')}`
    case 'list':
      return shape.of.kind === 'table' ? 'a list of tables' : 'a list of texts'
    case 'map':
    case 'table':
    case 'open':
      return 'a table'
    case 'any':
      return 'anything'
    case 'either':
      return shape.shapes.map(describeShape).join(' or ')
  }
}

/** The upper limit is only named where a person may meet it. */
function describeWhole({ min, max }: { readonly min: number; readonly max: number }): string {
  if (max > 1_000_000) return min <= 0 ? 'a whole number' : `a whole number of at least ${min}`
  return `a whole number from ${min} to ${max}`
}
