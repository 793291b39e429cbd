import { describe, expect, test } from 'bun:test'
import { EVENT_NAMES } from './events.ts'
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
    for (const bad of [{}, { command: [] }, { command: ['a\0b'] }, { command: ['a'], profile: 'open' }, { command: ['a'], timeoutMs: 0 }]) {
      expect(input.safeParse(bad).success).toBe(false)
    }
  })
})
