import { describe, expect, test } from 'bun:test'
import { importRequest } from './config-text.ts'

describe('importing a sandbox', () => {
  test('takes name, agent, profile and limits from the text', () => {
    const text =
      '[sandbox]\nname = "box"\n[agent]\npreferred = "claude"\n[resources]\nvcpus = 2\nmemory_mb = 256\n[security]\nprofile = "restrictive"\n'
    expect(importRequest(text, undefined, undefined)).toEqual({
      name: 'box',
      start: false,
      agent: 'claude',
      vcpus: 2,
      memory_mb: 256,
      profile: 'restrictive',
    })
  })

  test('another name and backend win over the text', () => {
    expect(importRequest('[sandbox]\nname = "box"\n', 'other', 'namespace')).toEqual({ name: 'other', start: false, backend: 'namespace' })
  })

  test('takes the network from the text, and no more than that', () => {
    const network = (security: string) => {
      const { name: _, start: __, ...rest } = importRequest(`[sandbox]\nname = "a"\n[security]\n${security}`, undefined, undefined)
      return rest
    }
    expect(network('network = false\n')).toEqual({ network: 'none' })
    expect(network('network = true\n[security.domains]\nallow = ["a.example"]\nblock = ["b.example"]\nallowlist_only = true\n')).toEqual({
      network: 'listed',
      allow: ['a.example'],
      block: ['b.example'],
    })
    expect(network('network = true\n[security.domains]\nallow = ["10.0.0.0/8:5432"]\n')).toEqual({
      network: 'public',
      allow: ['10.0.0.0/8:5432'],
    })
    expect(() => network('[security.domains]\nallow = [1]\n')).toThrow('security.domains.allow')
  })

  test.each([
    ['= =', 'not TOML'],
    ['', 'sandbox.name is missing'],
    ['sandbox = 1', '[sandbox] is not a table'],
    ['[sandbox]\nname = 5', 'sandbox.name is not a text'],
    ['[sandbox]\nname = "a"\n[resources]\nmemory_mb = -1', 'resources.memory_mb'],
    ['[sandbox]\nname = "a"\n[security]\nprofile = "none"', 'security.profile'],
    ['[sandbox]\nname = "a"\n[security]\nread_only = true', 'security.read_only'],
  ])('refuses %j and says why', (text, reason) => {
    expect(() => importRequest(text, undefined, undefined)).toThrow(reason)
  })
})
