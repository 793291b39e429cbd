import { describe, expect, test } from 'bun:test'
import { AGENTS, agentNames, findAgent } from './registry.ts'

describe('the agents', () => {
  test('are found by name and by every alias, whatever the case', () => {
    for (const agent of AGENTS) {
      for (const name of [agent.name, ...agent.aliases]) {
        expect(findAgent(name)).toBe(agent)
        expect(findAgent(name.toUpperCase())).toBe(agent)
      }
    }
  })

  test('share no name', () => {
    const names = agentNames()
    expect(names.length).toBe(new Set(names).size)
    expect(names.length).toBeGreaterThanOrEqual(AGENTS.length)
  })

  test('include the aliases people know', () => {
    const found = ['claude-code', 'gemini-cli', 'openai-codex', 'open-code', 'hermes-agent', 'openai-symphony'].map(findAgent)
    expect(found.map((agent) => agent?.name)).toEqual(['claude', 'gemini', 'codex', 'opencode', 'hermes', 'symphony'])
  })

  test('are not found by other words', () => {
    for (const word of ['', 'claud', 'Claude Code', 'constructor', '__proto__', ' claude']) expect(findAgent(word)).toBeUndefined()
  })

  test('have names that fit a config file, a command line and a table of 15 columns', () => {
    for (const { name, title, binary, keyVariables, installHint } of AGENTS) {
      expect(name).toMatch(/^[a-z]{2,15}$/)
      expect(binary).toMatch(/^[a-z]{2,15}$/)
      expect(title.length).toBeLessThan(15)
      expect(installHint).toMatch(/^[\x20-\x7E]+$/)
      expect(keyVariables.length).toBeGreaterThan(0)
      for (const key of keyVariables) expect(key).toMatch(/^[A-Z]+(_[A-Z]+)+$/)
    }
  })
})
