import { describe, expect, test } from 'bun:test'
import * as fc from 'fast-check'
import { JsonScan, type Scalar, wanted } from './json-scan.ts'

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** What is told of `pieces`, in its order, with `end` for each document's end. */
function told(paths: Readonly<Record<string, string>>, pieces: readonly Uint8Array[]): readonly (readonly [string, Scalar] | 'end')[] {
  const found: (readonly [string, Scalar] | 'end')[] = []
  const scan = new JsonScan(
    wanted(paths),
    (name, value) => void found.push([name, value]),
    () => void found.push('end'),
  )
  for (const piece of pieces) scan.push(piece)
  scan.end()
  return found
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((left, right) => left - right)
  return at.slice(1).map((end, index) => bytes.slice(at[index], end))
}

const PATHS = { model: 'model', stream: 'stream', 'usage.in': 'in', 'usage.details.cached': 'cached' }

describe('a scan for members', () => {
  test('finds scalars of every kind at their places, and nothing elsewhere', () => {
    const text = `{"x":{"model":"no","usage":{"in":1}},"model":"m\\u00e9\\n","stream":true,"list":[{"model":"no"}],"usage":{"in":12e1,"details":{"cached":-0.5}}}`
    expect(told(PATHS, [bytesOf(text)])).toEqual([['model', 'mé\n'], ['stream', true], ['in', 120], ['cached', -0.5], 'end'])
  })

  test('finds a member whose name is written with escapes, as parsers do', () => {
    expect(told(PATHS, [bytesOf(String.raw`{"mod\u0065l":"a","us\u0061ge":{"in":1}}`)])).toEqual([['model', 'a'], ['in', 1], 'end'])
  })

  test('tells of documents that follow each other, and of elements of an array', () => {
    expect(told(PATHS, [bytesOf('{"model":"a"}\n{"model":"b"} 7 [{"model":"c"},{"model":"d"}]')])).toEqual([
      ['model', 'a'],
      'end',
      ['model', 'b'],
      'end',
      'end',
      ['model', 'c'],
      ['model', 'd'],
      'end',
    ])
  })

  test('finds what JSON.parse finds, however the text is cut and whatever else is in it', () => {
    const table = (of: unknown): Record<string, unknown> =>
      typeof of === 'object' && of !== null && !Array.isArray(of) ? (of as Record<string, unknown>) : {}
    /** Scalars of `of` at the places of `at`, in their order. */
    const pick = (of: unknown, at: object): unknown[] =>
      Object.entries(table(of)).flatMap(([key, value]): unknown[] => {
        if (!Object.hasOwn(at, key)) return []
        const place = (at as Record<string, object | string>)[key]!
        if (typeof place === 'object') return pick(value, place)
        return value === null || typeof value !== 'object' ? [[place, plain(value)]] : []
      })
    const plain = (value: unknown): unknown => (Object.is(value, -0) ? 0 : value)
    const PLACES = { model: 'model', stream: 'stream', usage: { in: 'in', details: { cached: 'cached' } } }
    const key = fc.oneof(fc.constantFrom('model', 'stream', 'usage', 'in', 'details', 'cached'), fc.string({ maxLength: 8 }))
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 5 },
        fc.string({ unit: 'binary', maxLength: 30 }),
        fc.constantFrom('\\', '"', '\\"', '}]', '{'),
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('any'), { maxLength: 4 }),
        fc.dictionary(key, tie('any'), { maxKeys: 5, noNullPrototype: true }),
      ),
    })).any
    fc.assert(
      fc.property(
        fc.dictionary(key, value, { noNullPrototype: true }),
        fc.array(fc.nat(), { maxLength: 12 }),
        fc.boolean(),
        (document, places, spaced) => {
          const text = JSON.stringify(document, undefined, spaced ? 2 : 0)
          const found = told(PATHS, cut(bytesOf(text), places)).flatMap((each) => (each === 'end' ? [] : [[each[0], plain(each[1])]]))
          expect(found).toEqual(pick(JSON.parse(text), PLACES) as typeof found)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('tells the same however bytes of any kind are cut, and never throws', () => {
    const rough = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', 'model', '"model"', 'true', '-1e9', ' ', '\n'), { maxLength: 60 })
        .map((parts) => bytesOf(parts.join(''))),
    )
    fc.assert(
      fc.property(rough, fc.array(fc.nat(), { maxLength: 10 }), (bytes, places) => {
        expect(told(PATHS, cut(bytes, places))).toEqual(told(PATHS, [bytes]))
      }),
      { numRuns: 1000 },
    )
  })

  test('goes through deep nesting, huge strings, huge numbers and what is cut off, in little time and memory', () => {
    const found: unknown[] = []
    const scan = new JsonScan(wanted(PATHS), (name, value) => void found.push([name, value]))
    Bun.gc(true)
    const before = process.memoryUsage().heapUsed
    const started = performance.now()
    const fill = (text: string, times: number): void => {
      const piece = bytesOf(text.repeat(65_536 / text.length))
      for (let at = 0; at < times; at++) scan.push(piece)
    }
    scan.push(bytesOf('{"a":'))
    fill('[', 200)
    fill('{"usage":', 200)
    scan.end()
    scan.push(bytesOf('{"model":"'))
    fill('x', 500)
    fill('\\"', 200)
    scan.push(bytesOf('","stream":'))
    fill('9', 200)
    scan.push(bytesOf(',"usage":{"in":3}'))
    expect(found).toEqual([['in', 3]])
    expect(performance.now() - started).toBeLessThan(5000)
    Bun.gc(true)
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(8 * 1024 ** 2)
  })
})
