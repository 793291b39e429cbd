import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { readStatusLines } from './status-lines.ts'

describe('status lines', () => {
  test('are read in order', () => {
    const text = '{"started":true,"code":0}\n{"ended":"exited","code":3,"max_rss":1024}\n'
    expect(readStatusLines(text)).toEqual([
      { started: true, code: 0 },
      { ended: 'exited', code: 3, max_rss: 1024 },
    ])
    expect(readStatusLines('')).toEqual([])
  })

  test.each(['null', '7', '"text"', 'true', '[]', '[{"ended":"exited"}]', '{', '{"ended":', 'not json', '\0', '{}{}'])(
    'that are no object are dropped, and only they: %j',
    (line) => {
      expect(readStatusLines(`{"code":1}\n${line}\n{"code":2}\n`)).toEqual([{ code: 1 }, { code: 2 }])
    },
  )

  test('cut off by a kill lose only the last', () => {
    expect(readStatusLines('{"code":1}\n{"ended":"exi')).toEqual([{ code: 1 }])
  })

  test('beyond the most that a run can produce are not read', () => {
    const line = `{"detail":"${'x'.repeat(998)}"}\n`
    const lines = readStatusLines(line.repeat(1000))
    expect(lines.length).toBe(Math.floor((64 * 1024) / line.length))
    expect(readStatusLines(`{"detail":"${'x'.repeat(70_000)}"}\n`)).toEqual([])
  })

  test('of any text are objects, and never an exception', () => {
    const piece = fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.constant('\n'))
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        for (const line of readStatusLines(pieces.join(''))) {
          expect(line).toBeObject()
          expect(Array.isArray(line)).toBe(false)
        }
      }),
    )
  })

  test('written as JSON come back as they were', () => {
    const line = fc.record({ error: fc.constantFrom('exec', 'launch'), step: fc.string({ unit: 'grapheme' }), errno: fc.nat() })
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), (lines) => {
        expect(readStatusLines(lines.map((each) => `${JSON.stringify(each)}\n`).join('')) as unknown).toEqual(lines)
      }),
    )
  })
})
