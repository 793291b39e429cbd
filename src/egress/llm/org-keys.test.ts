import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SecretBinding } from '../../contract/secrets.ts'
import { orgBindings, OrgKeyFile } from './org-keys.ts'
import { defaultKeyName, domainOf, KNOWN_PROVIDERS, providerOf } from './providers.ts'

let home: string
beforeEach(() => void (home = mkdtempSync(join(tmpdir(), 'ak-keys-'))))
afterEach(() => rmSync(home, { recursive: true }))

const folder = (): string => join(home, 'secrets')
const old = (): string => join(home, 'llm_keys.json')
const open = (): OrgKeyFile => new OrgKeyFile(folder(), old())

describe('names of providers', () => {
  test('stand for their domains, and every other word is a domain', () => {
    expect(domainOf('openai')).toBe('api.openai.com')
    expect(domainOf('Gemini')).toBe('generativelanguage.googleapis.com')
    expect(domainOf('LLM.example.com.')).toBe('llm.example.com')
    expect(KNOWN_PROVIDERS.map(({ name, host }) => domainOf(name) === host)).not.toContain(false)
  })

  test('give the name of a key', () => {
    expect(defaultKeyName('gemini')).toBe('GOOGLE_API_KEY')
    expect(defaultKeyName('api.anthropic.com')).toBe('ANTHROPIC_API_KEY')
    expect(defaultKeyName('llm.example.com')).toBe('LLM_EXAMPLE_COM_API_KEY')
  })

  test('are known by every host of theirs, and of the config', () => {
    expect(providerOf('api.cohere.ai')?.name).toBe('cohere')
    expect(providerOf('example.com')).toBeUndefined()
    expect(providerOf('constructor')).toBeUndefined()
    expect(providerOf('llm.example.com', { 'llm.example.com': 'anthropic' })).toEqual({
      name: 'llm.example.com',
      host: 'llm.example.com',
      format: 'anthropic',
      keyHeader: 'x-api-key',
    })
  })
})

describe("the organisation's keys", () => {
  test('are kept by domain in a file for the user alone', async () => {
    const keys = open()
    expect(keys.list()).toEqual({})
    expect(await keys.set('openai')).toEqual({ domain: 'api.openai.com', vault_key_name: 'OPENAI_API_KEY' })
    await keys.set('llm.example.com', 'TEAM')
    await keys.set('openai', 'OTHER')
    expect(open().list()).toEqual({ 'api.openai.com': 'OTHER', 'llm.example.com': 'TEAM' })
    const path = join(folder(), 'llm_keys.json')
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(await keys.remove('api.openai.com')).toEqual({ removed: 'api.openai.com' })
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ 'llm.example.com': 'TEAM' })
    await expect(keys.remove('openai')).rejects.toMatchObject({ code: 'not_found' })
  })

  test('of the earlier product are read until there are some of ours, and stay as they are', async () => {
    writeFileSync(old(), JSON.stringify({ anthropic: 'A', 'api.openai.com': 'O', 'not a host': 'X', 'x.example': 7 }), { mode: 0o600 })
    expect(open().list()).toEqual({ 'api.anthropic.com': 'A', 'api.openai.com': 'O' })
    await open().remove('anthropic')
    expect(open().list()).toEqual({ 'api.openai.com': 'O' })
    expect(readFileSync(old(), 'utf8')).toContain('anthropic')
  })

  test('are not taken from a file that others can change', () => {
    writeFileSync(old(), '{"openai":"MINE"}')
    chmodSync(old(), 0o666)
    expect(open().list()).toEqual({})
    mkdirSync(folder(), { mode: 0o700 })
    symlinkSync(old(), join(folder(), 'llm_keys.json'))
    expect(() => open().list()).toThrow('symbolic link')
  })

  test('refuse what is no host and what is no name', async () => {
    for (const bad of ['', 'localhost', '10.0.0.1', 'a b.example', 'host.example:443', '*.example.com', '../x.example', 'x'.repeat(254)]) {
      await expect(open().set(bad)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
    for (const bad of ['', 'a b', 'sandbox/x/y', 'a\nb'])
      await expect(open().set('openai', bad)).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  test('that cannot be read say so, and are not written over', async () => {
    mkdirSync(folder(), { mode: 0o700 })
    writeFileSync(join(folder(), 'llm_keys.json'), '{"a', { mode: 0o600 })
    await expect(open().set('openai')).rejects.toMatchObject({ code: 'config_invalid' })
    expect(readFileSync(join(folder(), 'llm_keys.json'), 'utf8')).toBe('{"a')
  })

  test('lose nothing when many write at once', async () => {
    await Promise.all(Array.from({ length: 12 }, (_, at) => open().set(`h${at}.example.com`, 'K')))
    expect(Object.keys(open().list())).toHaveLength(12)
  })
})

describe('bindings', () => {
  const bound = (name: string, ...hosts: string[]): SecretBinding => ({ name, vaultKey: name, hosts, how: 'header' })

  test('put each key into the header that its provider reads', () => {
    const made = orgBindings({
      file: { 'api.anthropic.com': 'A', 'api.openai.com': 'O', 'llm.example.com': 'X' },
      config: { gemini: 'G', openai: 'O2' },
      bound: [],
      hosts: { 'llm.example.com': 'anthropic' },
    })
    expect(made.map(({ name, vaultKey, hosts: [host], header }) => [name, vaultKey, host, header])).toEqual([
      ['ANTHROPIC_API_KEY', 'A', 'api.anthropic.com', 'x-api-key'],
      ['OPENAI_API_KEY', 'O2', 'api.openai.com', undefined],
      ['LLM_EXAMPLE_COM_API_KEY', 'X', 'llm.example.com', 'x-api-key'],
      ['GOOGLE_API_KEY', 'G', 'generativelanguage.googleapis.com', 'x-goog-api-key'],
    ])
  })

  test("leave the sandbox's own alone, whatever they are called", () => {
    const file = { 'api.openai.com': 'O', 'api.groq.com': 'G', 'api.mistral.ai': 'M' }
    const own = [bound('A', 'API.openai.com:443'), bound('B', '*.mistral.ai'), bound('GROQ_API_KEY', 'other.example')]
    expect(orgBindings({ file, config: {}, bound: own, hosts: {} }).map(({ name, hosts }) => [name, ...hosts])).toEqual([
      ['GROQ_API_KEY_ORG', 'api.groq.com'],
    ])
  })
})
