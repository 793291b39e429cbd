import { describe, expect, test } from 'bun:test'
import { resolveConfig } from './config.ts'
import { ValidationError } from './errors.ts'

const none = (): undefined => undefined

describe('where the server is', () => {
  test('is said by the option, else by the environment, else the default', () => {
    const env = (name: string): string | undefined => ({ AGENTKERNEL_BASE_URL: 'http://env:1/', AGENTKERNEL_API_KEY: 'env-key' })[name]
    expect(resolveConfig({ baseUrl: 'https://option//', apiKey: 'key' }, env)).toMatchObject({ baseUrl: 'https://option', apiKey: 'key' })
    expect(resolveConfig({}, env)).toMatchObject({ baseUrl: 'http://env:1', apiKey: 'env-key' })
    expect(resolveConfig({}, none)).toMatchObject({ baseUrl: 'http://localhost:18888', apiKey: undefined, timeout: 30_000 })
  })

  test('keeps a path, for a server behind a proxy', () => {
    expect(resolveConfig({ baseUrl: 'http://host/agents/' }, none).baseUrl).toBe('http://host/agents')
  })

  test('must be an address of the web', () => {
    for (const baseUrl of ['localhost:18888', 'ftp://host', 'http://', '/tmp/sock']) {
      expect(() => resolveConfig({ baseUrl }, none)).toThrow(ValidationError)
    }
  })

  test('may not hold a password, which is not repeated', () => {
    const made = (): unknown => resolveConfig({ baseUrl: 'http://me:hunter2@host' }, none)
    expect(made).toThrow('must not hold a user name or password')
    expect(made).not.toThrow('hunter2')
    expect(resolveConfig({ baseUrl: 'http://host/@me' }, none).baseUrl).toBe('http://host/@me')
  })

  test('is found in the real environment', () => {
    const before = process.env['AGENTKERNEL_BASE_URL']
    process.env['AGENTKERNEL_BASE_URL'] = 'http://from-env'
    try {
      expect(resolveConfig({}).baseUrl).toBe('http://from-env')
    } finally {
      if (before === undefined) delete process.env['AGENTKERNEL_BASE_URL']
      else process.env['AGENTKERNEL_BASE_URL'] = before
    }
  })
})

test('a key that no header can hold is refused, and not repeated in the message', () => {
  for (const apiKey of ['a b', 'a\nX: y', 'schlüssel']) {
    expect(() => resolveConfig({ apiKey }, none)).toThrow(ValidationError)
    expect(() => resolveConfig({ apiKey }, none)).not.toThrow(apiKey)
  }
})

test('a time limit is a number of ms; 0 and Infinity mean none', () => {
  expect(resolveConfig({ timeout: 0 }, none).timeout).toBe(0)
  expect(resolveConfig({ timeout: Infinity }, none).timeout).toBe(0)
  expect(resolveConfig({ timeout: 1e12 }, none).timeout).toBe(2 ** 31 - 1)
  for (const timeout of [-1, Number.NaN, '5' as unknown as number]) expect(() => resolveConfig({ timeout }, none)).toThrow(ValidationError)
})
