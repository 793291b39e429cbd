import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { checkShape } from './check.ts'
import { ConfigFileSchema } from '../../contract/schemas/config.ts'
import { CONFIG_SHAPE } from '../../contract/schemas/config-keys.ts'
import type { Shape } from '../../contract/schemas/config-shape.ts'

const ODD: readonly unknown[] = [
  '',
  'a',
  'a\0',
  0,
  -1,
  5,
  1.5,
  1e9,
  true,
  [],
  ['a'],
  [1],
  [{}],
  {},
  { a: 1 },
  { a: 'b' },
  { 'a b': 'c' },
  { host: 'x' },
  { A: 'x'.repeat(128 * 1024) },
]

/** Mostly values that a shape accepts, with odd ones in between. */
function valuesOf(shape: Shape): fc.Arbitrary<unknown> {
  return fc.oneof({ arbitrary: goodValuesOf(shape), weight: 12 }, { arbitrary: fc.constantFrom(...ODD), weight: 1 })
}

function goodValuesOf(shape: Shape): fc.Arbitrary<unknown> {
  switch (shape.kind) {
    case 'text':
      return fc.string()
    case 'flag':
      return fc.boolean()
    case 'whole':
      return fc.integer({ min: shape.min, max: Math.min(shape.max, 2 ** 31 - 1) })
    case 'number':
      return fc.double({ noNaN: true, noDefaultInfinity: true })
    case 'choice':
      return fc.constantFrom(...shape.values)
    case 'list':
      return fc.array(valuesOf(shape.of), { maxLength: 2 })
    case 'map':
      return fc.dictionary(fc.constantFrom('A', 'B_1', 'c', '1x'), valuesOf(shape.of), { maxKeys: 2 })
    case 'table': {
      const keys = Object.fromEntries(Object.entries(shape.keys).map(([name, key]) => [name, valuesOf(key.shape)]))
      return fc.record(keys, { requiredKeys: Object.keys(shape.keys).filter((name) => shape.keys[name]?.required) })
    }
    case 'open':
    case 'any':
      return fc.dictionary(fc.constantFrom('x', 'y'), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 2 })
    case 'either':
      return fc.oneof(...shape.shapes.map(valuesOf))
  }
}

test.each([
  ['the longest', 131_069, true],
  ['longer than any', 131_070, false],
])('%s variable that a program can be given', (_, length, accepted) => {
  const document = { environment: { V: 'x'.repeat(length) } }
  expect(checkShape(document, CONFIG_SHAPE).length === 0).toBe(accepted)
  expect(ConfigFileSchema.safeParse(document).success).toBe(accepted)
})

test('the zod schema and the checker of config files accept the same documents', () => {
  const outcomes = { accepted: 0, refused: 0 }
  for (const [section, { shape }] of Object.entries(CONFIG_SHAPE.keys)) {
    fc.assert(
      fc.property(valuesOf(shape), (value) => {
        const document = { [section]: value }
        const accepted = checkShape(document, CONFIG_SHAPE).every(({ kind }) => kind === 'unknown')
        outcomes[accepted ? 'accepted' : 'refused']++
        expect([document, ConfigFileSchema.safeParse(document).success]).toEqual([document, accepted])
      }),
      { numRuns: 60 },
    )
  }
  // Both answers were really compared.
  expect(outcomes.accepted).toBeGreaterThan(100)
  expect(outcomes.refused).toBeGreaterThan(100)
})
