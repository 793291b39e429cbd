import * as z from 'zod'
import { CONFIG_SHAPE } from './config-keys.ts'
import type { ConfigFile } from './config-keys.ts'
import { LONGEST_VARIABLE_BYTES, VARIABLE_NAME, variableBytes } from './config-shape.ts'
import type { Shape } from './config-shape.ts'

/**
 * A config file for doors that speak JSON and for generated files (JSON schema, reference). Derived from the table in
 * `config-keys.ts`; accepts what the checker of `main/config` accepts. Unknown keys pass, because they are only worth
 * a warning.
 */
// The shape decides the output, which zod cannot infer from data; a test holds both readers of the table together.
export const ConfigFileSchema = schemaOf(CONFIG_SHAPE) as z.ZodType<ConfigFile>

function schemaOf(shape: Shape): z.ZodType {
  switch (shape.kind) {
    case 'text':
      return z.string().refine((value) => !value.includes('\0'), 'must not contain a NUL character')
    case 'flag':
      return z.boolean()
    case 'whole':
      return z.int().min(shape.min).max(shape.max)
    case 'number':
      return z.number()
    case 'choice':
      return z.enum(shape.values)
    case 'list':
      return z.array(schemaOf(shape.of))
    case 'map':
      return shape.name === 'variable' ? variables(shape.of) : z.record(z.string(), schemaOf(shape.of))
    case 'table':
      return z.looseObject(
        Object.fromEntries(
          Object.entries(shape.keys).map(([name, key]) => [name, key.required ? schemaOf(key.shape) : schemaOf(key.shape).optional()]),
        ),
      )
    case 'open':
      return z.record(z.string(), z.unknown())
    case 'any':
      return z.unknown()
    case 'either':
      return z.union(shape.shapes.map(schemaOf))
  }
}

function variables(values: Shape): z.ZodType {
  return z
    .record(z.string().regex(VARIABLE_NAME), schemaOf(values))
    .refine(
      (record) => Object.entries(record).every(([name, value]) => variableBytes(name, value) <= LONGEST_VARIABLE_BYTES),
      'a variable must be shorter than 128 KiB, name and value together',
    )
}
