import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { NameTable } from './name-table.ts'

const MINUTE = 60_000

test('names keep their addresses, and no two names share one', () => {
  const table = new NameTable()
  const a = table.addressOf('a.test', true)!
  const b = table.addressOf('b.test', false)!
  expect(a).not.toBe(b)
  expect(table.addressOf('a.test', false)).toBe(a)
  expect([table.nameOf(a), table.nameOf(b), table.nameOf('198.19.0.1'), table.nameOf('x')]).toEqual([
    'a.test',
    'b.test',
    undefined,
    undefined,
  ])
})

test('an address is kept while an answer is recent or a flow uses it, and then forgotten', () => {
  let now = 0
  const table = new NameTable(() => now, { names: 2, denied: 2 })
  const a = table.addressOf('a.test', true)!
  const release = table.hold('a.test')
  const b = table.addressOf('b.test', true)!
  expect(table.addressOf('c.test', true)).toBeUndefined()
  now = 11 * MINUTE
  const c = table.addressOf('c.test', true)!
  expect([table.nameOf(a), table.nameOf(b), table.nameOf(c)]).toEqual(['a.test', undefined, 'c.test'])
  now = 22 * MINUTE
  release()
  expect(table.addressOf('d.test', true)).toBeDefined()
  expect(table.nameOf(a)).toBe('a.test')
})

test('denied names do not take the room of others', () => {
  const table = new NameTable(() => 0, { names: 10, denied: 3 })
  const denied = ['a', 'b', 'c', 'd'].map((name) => table.addressOf(name, false))
  expect(denied[3]).toBeUndefined()
  for (let index = 0; index < 7; index++) expect(table.addressOf(`ok${index}`, true)).toBeDefined()
  expect(table.addressOf('ok7', true)).toBeUndefined()
})

test('whatever happens, an address means one name at a time and a held one stays', () => {
  const step = fc.record({ name: fc.nat(30), allowed: fc.boolean(), hold: fc.boolean(), waitMs: fc.nat(20 * MINUTE) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      let now = 0
      const table = new NameTable(() => now, { names: 8, denied: 4 })
      const held = new Map<string, string>()
      for (const { name, allowed, hold, waitMs } of steps) {
        const text = `n${name}.test`
        const address = table.addressOf(text, allowed)
        if (address !== undefined) {
          expect(table.nameOf(address)).toBe(text)
          if (hold) {
            table.hold(text)
            held.set(text, address)
          }
        }
        for (const [each, at] of held) expect(table.nameOf(at)).toBe(each)
        expect(table.size).toBeLessThanOrEqual(8)
        now += waitMs
      }
    }),
  )
})
