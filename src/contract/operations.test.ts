import { describe, expect, test } from 'bun:test'
import * as z from 'zod'
import { EVENT_NAMES } from './events.ts'
import { LATER_ROUTES } from './later.ts'
import { OPERATIONS, type Operation } from './operations.ts'

const operations = Object.entries<Operation>(OPERATIONS)

describe('the operations', () => {
  test('have HTTP bindings and tool names of their own', () => {
    const bindings = operations.flatMap(([, { http }]) => (http === undefined ? [] : [`${http.method} ${http.path}`]))
    const tools = operations.flatMap(([, { mcp }]) => (mcp === undefined ? [] : [mcp]))
    expect(new Set(bindings).size).toBe(bindings.length)
    expect(new Set(tools).size).toBe(tools.length)
  })

  test('name events that exist, and say in one line what they do', () => {
    for (const [, { event, summary }] of operations) {
      if (event !== undefined) expect(EVENT_NAMES).toContain(event)
      expect(summary).toMatch(/^[A-Z][^\n]*[^.]$/)
    }
  })

  test('take a run as the earlier product did, and refuse what cannot be one', () => {
    const { input } = OPERATIONS.run
    expect(input.parse({ command: ['python3', '-c', 'print(1+1)'], profile: 'restrictive' })).toMatchObject({ profile: 'restrictive' })
    for (const bad of [{}, { command: [] }, { command: ['a\0b'] }, { command: ['a'], profile: 'open' }, { command: ['a'], memory_mb: 5 }]) {
      expect(input.safeParse(bad).success).toBe(false)
    }
  })

  test('that HTTP reaches take each parameter of their address, and say what they give', () => {
    for (const [name, { http, input, output }] of operations) {
      if (http === undefined) continue
      const members = input instanceof z.ZodObject ? Object.keys(input.shape) : []
      for (const [, parameter] of http.path.matchAll(/\{(\w+)\}/g))
        expect([name, members]).toEqual([name, expect.arrayContaining([parameter])])
      if ((http.reply ?? 'json') === 'json') expect([name, output]).toEqual([name, expect.anything()])
    }
  })

  test('leave the ones that come later their own addresses', () => {
    const bindings = operations.flatMap(([, { http }]) => (http === undefined ? [] : [`${http.method} ${http.path}`]))
    const later = LATER_ROUTES.flatMap(({ methods, path }) => methods.map((method) => `${method} ${path}`))
    expect(new Set(later).size).toBe(later.length)
    expect(later.filter((route) => bindings.includes(route))).toEqual([])
  })
})
