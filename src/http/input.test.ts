import { describe, expect, test } from 'bun:test'
import * as z from 'zod'
import { OPERATIONS } from '../contract/operations.ts'
import { readInput } from './input.ts'

const Schema = z.object({
  name: z.string(),
  count: z.int().min(0).exactOptional(),
  dry_run: z.boolean().default(false),
  label: z.array(z.string()).exactOptional(),
  lifecycle: z.object({ stop: z.int().exactOptional() }).nullable().exactOptional(),
  env: z.record(z.string(), z.string()).exactOptional(),
  items: z.array(z.object({ a: z.int() })).exactOptional(),
})

const read = (given: { params?: Record<string, string>; query?: string; body?: Record<string, unknown> }) =>
  readInput(Schema, { params: given.params ?? { name: 'x' }, query: new URLSearchParams(given.query), body: given.body ?? {} })

describe('the input of an operation', () => {
  test('is what path, query and body say together, the path first', () => {
    expect(read({ params: { name: 'path' }, query: 'count=3&label=a&label=b', body: { name: 'body', dry_run: true } }).input).toEqual({
      name: 'path',
      count: 3,
      label: ['a', 'b'],
      dry_run: true,
    })
  })

  test.each([
    ['dry_run=true', true],
    ['dry_run=1', true],
    ['dry_run', true],
    ['dry_run=FALSE', false],
    ['dry_run=no', false],
    ['', false],
  ])('reads the query %j as %j', (query, dry_run) => {
    expect(read({ query }).input.dry_run).toBe(dry_run)
  })

  test.each(['count=x', 'count=', 'count=1.5', 'count=-1', 'count=0x10', 'count=1e3', 'dry_run=maybe'])('refuses the query %j', (query) => {
    expect(() => read({ query })).toThrow(/^(count|dry_run): /)
  })

  test('names what it does not know, however deep, and does without it', () => {
    const { input, warnings } = read({
      query: 'x=1',
      body: { nmae: 1, lifecycle: { stop: 1, halt: 2 }, env: { ANY: 'thing' }, items: [{ a: 1, b: 2 }], 'a"\n': 1 },
    })
    expect(input).toEqual({ name: 'x', dry_run: false, lifecycle: { stop: 1 }, env: { ANY: 'thing' }, items: [{ a: 1 }] })
    expect(warnings).toEqual(['nmae', 'lifecycle.halt', 'items[0].b', 'a\\"\\n', 'x'].map((name) => `unknown field ignored: ${name}`))
  })

  test('takes null for absent, but for what null means something to', () => {
    expect(read({ body: { count: null, label: null, dry_run: null, extra: null } }).input).toEqual({ name: 'x', dry_run: false })
    expect(read({ body: { lifecycle: null } }).input.lifecycle).toBeNull()
    expect(read({ body: { lifecycle: { stop: null } } }).input.lifecycle).toEqual({})
    expect(() => read({ params: {}, body: { name: null } })).toThrow(/^name: /)
  })

  test('cannot be given members that every object has', () => {
    const body = JSON.parse('{"__proto__": {"count": 9}, "constructor": 1, "toString": 2}') as Record<string, unknown>
    const { input, warnings } = read({ body })
    expect(input).toEqual({ name: 'x', dry_run: false })
    expect(warnings).toHaveLength(3)
    expect(read({ query: 'toString=1' }).warnings).toEqual(['unknown field ignored: toString'])
  })

  test('is refused with at most three reasons, each with its place', () => {
    expect(() => read({ body: { count: 'x', label: [1], items: [{ a: 'x' }], lifecycle: 7 } })).toThrow(
      /^count: .*; label\[0\]: .*; .*; and 1 more$/,
    )
  })

  test('names at most twenty unknown members', () => {
    const body = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`x${at}`, at]))
    expect(read({ body }).warnings).toHaveLength(20)
  })
})

describe('a run', () => {
  const run = (body: Record<string, unknown>) => readInput(OPERATIONS.run.input, { params: {}, query: new URLSearchParams(), body })

  test('is what clients of the earlier product send', () => {
    expect(run({ command: ['echo', 'hi'], image: null, profile: 'restrictive', fast: true }).input).toEqual({
      command: ['echo', 'hi'],
      profile: 'restrictive',
      fast: true,
    })
  })

  test.each([
    {},
    { command: [] },
    { command: [''] },
    { command: 'echo' },
    { command: ['a\0b'] },
    { command: ['a'], profile: 'open' },
    { command: ['a'], env: ['A'] },
    { command: ['a'], env: ['=x'] },
    { command: ['a'], timeout_ms: -1 },
    { command: ['a'], timeout_ms: 2 ** 31 },
    { command: ['a'], cwd: 'here' },
    { command: ['a'], vcpus: 0 },
  ])('is not %j', (body) => {
    expect(() => run(body)).toThrow()
  })
})
