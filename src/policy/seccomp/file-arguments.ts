import type { JsonPlace } from './json-shape.ts'
import type { ArgumentTest, WideTest } from './rule.ts'

const MAX_ARGUMENT = 5
const LOW_WORD = 0xffffffffn

type Operator = Pick<WideTest, 'compare' | 'negate'> | 'masked'

const OPERATORS: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ['SCMP_CMP_EQ', { compare: 'eq', negate: false }],
  ['SCMP_CMP_NE', { compare: 'eq', negate: true }],
  ['SCMP_CMP_GE', { compare: 'ge', negate: false }],
  ['SCMP_CMP_LT', { compare: 'ge', negate: true }],
  ['SCMP_CMP_GT', { compare: 'gt', negate: false }],
  ['SCMP_CMP_LE', { compare: 'gt', negate: true }],
  ['SCMP_CMP_MASKED_EQ', 'masked'],
])

/**
 * The `args` of an entry as tests that must all hold. One argument compared twice is refused: container runtimes read it
 * as "or", the format's own text as "and".
 */
export function argumentTests(args: JsonPlace): ArgumentTest[] {
  const seen = new Set<number>()
  return args.items().flatMap((place): ArgumentTest[] => {
    const fields = place.fields(['index', 'value', 'valueTwo', 'op'])
    const arg = fields.index.integer(MAX_ARGUMENT)
    if (seen.has(arg)) place.fail(`argument ${arg} is compared twice in one entry; write two entries`)
    seen.add(arg)
    // Above 2^53 a JSON number is no longer exact, and a filter must be.
    const value = BigInt(fields.value.integer(Number.MAX_SAFE_INTEGER))
    const valueTwo = fields.valueTwo.present ? BigInt(fields.valueTwo.integer(Number.MAX_SAFE_INTEGER)) : 0n
    const operator = fields.op.oneOf(OPERATORS)
    return operator === 'masked' ? maskedTests(arg, value, valueTwo) : [{ arg, value, ...operator }]
  })
}

/** `argument & mask == value` on both words; a word with an empty mask and value needs no test. */
function maskedTests(arg: number, mask: bigint, value: bigint): ArgumentTest[] {
  const words = [
    { arg, word: 'low', mask: Number(mask & LOW_WORD), in: [Number(value & LOW_WORD)] },
    { arg, word: 'high', mask: Number(mask >> 32n), in: [Number(value >> 32n)] },
  ] as const
  return words.filter((test) => test.mask !== 0 || test.in[0] !== 0)
}
